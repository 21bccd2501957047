"""The Amazon States Language on one machine: an interpreter whose executions survive `kill -9`."""

from infra.local.states.engine import Engine
from infra.local.states.errors import TaskError
from infra.local.states.journal import ACCOUNT, REGION, Event, Execution
from infra.local.states.run import Invoke

__all__ = ["ACCOUNT", "REGION", "Engine", "Event", "Execution", "Invoke", "TaskError"]
