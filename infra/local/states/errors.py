"""What can go wrong inside an execution: an error name and a cause, as the Amazon States Language has them.

These are values that Retry and Catch work on, not failures of a request; what a user of the engine sees is either an
execution that FAILED with such a name or a failure from isthmus.failure.
"""

ALL = "States.ALL"
DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"
EXCEED_TOLERATED_FAILURE_THRESHOLD = "States.ExceedToleratedFailureThreshold"
INTRINSIC_FAILURE = "States.IntrinsicFailure"
NO_CHOICE_MATCHED = "States.NoChoiceMatched"
RESULT_PATH_MATCH_FAILURE = "States.ResultPathMatchFailure"
RUNTIME = "States.Runtime"
TASK_FAILED = "States.TaskFailed"
TIMEOUT = "States.Timeout"


class StatesError(Exception):
    """A state failed.

    Attributes:
        error: the error name that Retry and Catch compare.
        cause: the details; for a task the JSON text of what it answered.
        where: the state in which it happened, set by the interpreter.
    """

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(error, cause)
        self.error = error
        self.cause = cause
        self.where = ""


class TaskError(StatesError):
    """A function failed: `error` is the class of its exception, `cause` the JSON text of Lambda's error payload."""


class PathNotFoundError(StatesError):
    """A path leads nowhere."""

    def __init__(self, path: str) -> None:
        super().__init__(RUNTIME, f"The path '{path}' could not be found in the input.")
