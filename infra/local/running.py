"""What runs in a runtime that is up: how its parts call each other, and how it says where it stands."""

import json
import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.local.asynchronous import Asynchronous
from infra.local.events import scheduled
from infra.local.expand import Machine, Schedule, Stack
from infra.local.host import Host
from infra.local.schedules import Run, Scheduler
from infra.local.states.engine import Engine
from infra.local.states.errors import TaskError

_RECENT_EXECUTIONS = 5


@dataclass
class Running:
    """The parts of a runtime that is up, on its home folder."""

    home: Path
    stack: Stack
    host: Host
    engine: Engine
    asynchronous: Asynchronous
    node: Mapping[str, str]
    started: float = field(default_factory=time.time)
    scheduler: Scheduler | None = None

    async def call(self, name: str, payload: Any, timeout_s: float | None) -> Any:
        """A state machine's task: the function's result; the engine itself watches the task's time.

        Raises:
            TaskError: the function failed.
        """
        del timeout_s
        function = next((one.id for one in self.stack.functions if name in (one.arn, one.name, one.id)), None)
        if function is None:
            raise TaskError("Lambda.ResourceNotFoundException", json.dumps({"errorMessage": "No such function."}))
        outcome = await self.host.invoke(function, json.dumps(payload).encode())
        if outcome.error is not None:
            raise TaskError(outcome.error, outcome.payload.decode())
        return json.loads(outcome.payload)

    async def due(self, run: Run) -> str | None:
        """A schedule's run: the name of the error it ended with, or None."""
        schedule = run.schedule
        payload = schedule.input or json.dumps(scheduled(schedule.source, schedule.arn, run.id, run.due))
        if schedule.starts_machine:
            await self.engine.start(schedule.target, run.id, json.loads(payload))
            return None
        outcome = await self.asynchronous.run(_function_of(self.stack, schedule), payload.encode())
        if outcome.error is not None:
            print(f"schedule {schedule.name} ended with {outcome.error}", file=sys.stderr, flush=True)
        return outcome.error

    def status(self) -> dict[str, Any]:
        """What `isthmus status` shows."""
        standings = self.scheduler.standings() if self.scheduler else []
        return {
            "pid": os.getpid(),
            "uptime_s": round(time.time() - self.started),
            "home": str(self.home),
            "node": _without_password(self.node.get("ISTHMUS_BITCOIN_URL")),
            "functions": self.host.status(),
            "routes": len(self.stack.routes),
            "schedules": [
                {
                    "name": one.name,
                    "expression": one.expression,
                    "next_due": one.next_due,
                    "running": one.running_since is not None,
                    "last_due": one.last_due,
                    "last_error": one.last_error,
                }
                for one in standings
            ],
            "machines": [self._machine(machine) for machine in self.stack.machines],
        }

    def _machine(self, machine: Machine) -> dict[str, Any]:
        recent = self.engine.executions(machine.name, _RECENT_EXECUTIONS)
        shown = [{"name": one.name, "status": one.status, "started": one.started_ms / 1000} for one in recent]
        return {"name": machine.name, "executions": shown}


def _without_password(url: str | None) -> str | None:
    return re.sub(r"//[^/@]*@", "//", url) if url else None


def _function_of(stack: Stack, schedule: Schedule) -> str:
    return next(function.id for function in stack.functions if function.name == schedule.target)
