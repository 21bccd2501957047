"""The one logger: structured lines, JSON only."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger


@cache
def logger() -> "Logger":
    """The logger of this process, made when the first line is written."""
    from aws_lambda_powertools import Logger

    return Logger(service="isthmus", location=None)
