"""What the Executions port makes of the answers of Step Functions."""

from collections.abc import Iterator

import pytest
from botocore.stub import Stubber

from isthmus.executions import StepFunctions
from isthmus.failure import Unavailable, Upstream


@pytest.fixture
def executions(monkeypatch: pytest.MonkeyPatch) -> StepFunctions:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    return StepFunctions("arn:aws:states:us-east-1:000000000000:stateMachine:isthmus")


@pytest.fixture
def says(executions: StepFunctions) -> Iterator[Stubber]:
    with Stubber(executions._client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def test_an_execution_that_exists_is_not_started_again(executions: StepFunctions, says: Stubber) -> None:
    says.add_client_error("start_execution", "ExecutionAlreadyExists")

    assert executions.start("pipeline", "one", {}) is False


def test_an_execution_nobody_started_has_no_status(executions: StepFunctions, says: Stubber) -> None:
    says.add_client_error("describe_execution", "ExecutionDoesNotExist")

    assert executions.status("pipeline", "one") is None


@pytest.mark.parametrize("action", ["start_execution", "describe_execution"])
def test_a_service_that_is_too_busy_is_unavailable(executions: StepFunctions, says: Stubber, action: str) -> None:
    says.add_client_error(action, "ThrottlingException", http_status_code=400)

    with pytest.raises(Unavailable) as refused:
        executions.start("pipeline", "one", {}) if "start" in action else executions.status("pipeline", "one")

    assert refused.value.upstream == Upstream("stepfunctions", "ThrottlingException")
