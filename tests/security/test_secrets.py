"""A hundred canaries, pushed through everything that comes from outside at DEBUG: none is ever seen again."""

import base64
import hashlib
import io
import json
import logging
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from isthmus import respond, wiring
from isthmus.access.caller import Caller
from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.catalogue import operations
from isthmus.failure import Failure, Unavailable
from isthmus.faults import reports
from isthmus.fields import MAX_MSAT
from isthmus.operation import Operation
from isthmus.ports import BitcoinNode, Blobs, Bus, Clock, Executions, Functions, Sql, Table
from isthmus.quiet import TALKATIVE
from isthmus.storage.adapters.files import FileBlobs
from isthmus.storage.adapters.sqlite import SqliteTable
from tests.adapters.bitcoin.lying_node import Handler
from tests.adapters.bitcoin.lying_node import Serve as ServeNode
from tests.callers import OWNER, authorizer
from tests.proofs import Place

CANARIES = [f"hunter2{number:03d}" + hashlib.sha256(str(number).encode()).hexdigest()[:16] for number in range(100)]
MARK = "hunter2"
ALL = operations()
ROUTED = [one for one in ALL if one.route]
ON_NODE = [one for one in ALL if BitcoinNode in one.ports.values() and one.effect.value == "read"]
RUN_ID = "00000001-0123456789ab"
HASH = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"


@dataclass
class Seen:
    """Everything anybody could see."""

    logged: io.StringIO = field(default_factory=io.StringIO)
    answers: list[str] = field(default_factory=list)

    def serve(self, operation: Operation, event: dict[str, Any]) -> None:
        """Serve one event; what comes back, or up, is seen."""
        try:
            self.answers.append(repr(operation(event, None)))
        except Failure as failure:
            self.failed(failure)

    def failed(self, failure: BaseException) -> None:
        self.answers.append("".join(traceback.format_exception(failure)) + repr(failure) + str(failure))
        if isinstance(failure, Failure):
            self.answers.append(json.dumps(failure.problem("one")))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Seen]:
    """Whatever is logged at DEBUG by anybody, printed or answered; at the end no canary may be in it."""
    everything = Seen()
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with logging_to(everything.logged):
        yield everything
    printed = capfd.readouterr()
    assert everything.answers
    for place in (everything.logged.getvalue(), printed.out, printed.err, *everything.answers):
        assert MARK not in place


@contextmanager
def logging_to(stream: io.StringIO) -> Iterator[None]:
    """All loggers at DEBUG, our own included, into one stream."""
    root = logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(exc_info)s %(args)s"))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    respond.logger().setLevel("DEBUG")
    own = [one for one in logging.getLogger("isthmus").handlers if isinstance(one, logging.StreamHandler)]
    before = [one.stream for one in own]
    for one in own:
        one.stream = stream
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        respond.logger().setLevel("INFO")
        for one, earlier in zip(own, before, strict=True):
            one.stream = earlier


class Broken:
    """Any port: whatever it is asked, it raises."""

    def __init__(self, error: Callable[[], BaseException]) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def refuse(*_: Any, **__: Any) -> Any:
            raise self._error()

        return refuse


PORTS = (BitcoinNode, Blobs, Bus, Clock, Executions, Functions, Sql, Table)


@contextmanager
def broken(error: Callable[[], BaseException]) -> Iterator[None]:
    with wiring.replaced({port: Broken(error) for port in PORTS}):
        yield


def http(operation: Operation, canary: str, **more: Any) -> dict[str, Any]:
    """A request with a canary in everything around the fields."""
    method = "POST" if operation.method == "ANY" else operation.method
    headers = dict.fromkeys(("authorization", "cookie", "x-api-key", "user-agent", "referer", "dpop"), canary)
    return {
        "version": "2.0",
        "rawPath": f"/v1/{canary}",
        "rawQueryString": canary,
        "cookies": [canary],
        "headers": {**headers, "content-type": "application/json"},
        "requestContext": {
            "requestId": "one",
            "http": {"method": method, "path": canary, "userAgent": canary, "sourceIp": canary},
            "authorizer": OWNER,
        },
        **more,
    }


def fields(operation: Operation) -> list[str]:
    return [*operation.request.model_fields, "no_such_field"]


@pytest.mark.parametrize("operation", ROUTED, ids=lambda one: one.name)
def test_no_field_of_a_request_is_seen_again(seen: Seen, operation: Operation) -> None:
    with broken(lambda: Unavailable("Nobody answers.", next_step="Repeat.")):
        for number, canary in enumerate(CANARIES):
            name = fields(operation)[number % len(fields(operation))]
            seen.serve(operation, http(operation, canary, queryStringParameters={name: canary}))
            seen.serve(operation, http(operation, canary, pathParameters={name: canary}))
            seen.serve(operation, http(operation, canary, body=json.dumps({name: canary})))
            seen.serve(operation, http(operation, canary, body=json.dumps({name: {"a": [canary] * 3}})))
            encoded = base64.b64encode(json.dumps({name: canary}).encode()).decode()
            seen.serve(operation, http(operation, canary, body=encoded, isBase64Encoded=True))


@pytest.mark.parametrize("operation", ROUTED, ids=lambda one: one.name)
def test_no_body_that_cannot_be_read_is_seen_again(seen: Seen, operation: Operation) -> None:
    for canary in CANARIES:
        for body in (
            canary,
            f'{{"{canary}"',
            f'{{"a":"{canary}","a":1}}',
            f'["{canary}"]',
            f'"{canary}"',
            f"{{{canary}: NaN}}",
        ):
            seen.serve(operation, http(operation, canary, body=body))
        seen.serve(operation, http(operation, canary, body=canary + "\u00e9", isBase64Encoded=True))
        other = http(operation, canary, body="{}")
        other["headers"] |= {"content-type": canary, "content-encoding": canary}
        seen.serve(operation, other)
        seen.serve(operation, {**http(operation, canary), "requestContext": {"http": {"method": canary}, "a": canary}})


@pytest.mark.parametrize("operation", ALL, ids=lambda one: one.name)
def test_no_field_of_a_task_or_a_schedule_is_seen_again(seen: Seen, operation: Operation) -> None:
    with broken(lambda: Unavailable("Nobody answers.", next_step="Repeat.")):
        for number, canary in enumerate(CANARIES):
            name = fields(operation)[number % len(fields(operation))]
            seen.serve(operation, {"execution": canary, "request": {name: canary}})
            seen.serve(operation, {"request": {name: canary}, "stray": canary})
            schedule = {"source": "aws.scheduler", "resources": [canary], "detail": {name: canary}}
            seen.serve(operation, schedule)


def good(operation: Operation) -> dict[str, Any]:
    """A request that gets as far as the ports."""
    wanted: dict[str, Any] = {"run_id": RUN_ID, "first": 1, "height": 1, "txid": HASH, "address": "x"}
    kept = {name: wanted[name] for name in operation.request.model_fields if name in wanted}
    return {"execution": "one", "request": kept}


def chained(canary: str) -> BaseException:
    error = RuntimeError("outer")
    error.__cause__ = ValueError(canary)
    error.__context__ = KeyError(canary)
    error.add_note(canary)
    return error


FOREIGN: dict[str, Callable[[str], BaseException]] = {
    "RuntimeError": RuntimeError,
    "KeyError": KeyError,
    "OSError": lambda canary: OSError(13, canary, f"/secret/{canary}"),
    "UnicodeDecodeError": lambda canary: UnicodeDecodeError("utf-8", canary.encode(), 0, 1, canary),
    "JSONDecodeError": lambda canary: json.JSONDecodeError(canary, canary, 0),
    "sqlite3": sqlite3.OperationalError,
    "ClientError": lambda canary: ClientError({"Error": {"Code": "X", "Message": canary}}, canary),
    "EndpointConnectionError": lambda canary: EndpointConnectionError(endpoint_url=f"https://{canary}/"),
    "chain": chained,
    "group": lambda canary: ExceptionGroup(canary, [ValueError(canary)]),
}


@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.parametrize(
    "operation", [one for one in ALL if set(one.ports.values()) & set(PORTS)], ids=lambda one: one.name
)
def test_no_text_of_a_port_s_exception_is_seen(seen: Seen, operation: Operation, foreign: str) -> None:
    for canary in CANARIES[:10]:
        with broken(lambda canary=canary: FOREIGN[foreign](canary)):
            seen.serve(operation, good(operation))
            request = good(operation)["request"]
            asked = {name: str(value) for name, value in request.items()}
            if operation.method == "GET":
                seen.serve(operation, http(operation, canary, queryStringParameters=asked))
            elif operation.route:
                seen.serve(operation, http(operation, canary, body=json.dumps(request)))


def test_a_defect_s_log_line_still_says_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, health = io.StringIO(), next(one for one in ALL if one.name == "list_runs")
    with logging_to(stream), broken(lambda: chained("x")):
        answer = health(http(health, "x"), None)

    assert answer["statusCode"] == 500
    line = next(json.loads(one) for one in stream.getvalue().splitlines() if '"defect"' in one)
    assert [cause["type"] for cause in line["causes"]] == ["RuntimeError", "ValueError"]
    assert line["causes"][0]["at"][-1].startswith("test_secrets.py:")


@pytest.mark.parametrize("operation", ON_NODE, ids=lambda one: one.name)
def test_nothing_a_node_says_in_a_refusal_is_seen_and_neither_is_our_name_there(
    seen: Seen, lying: ServeNode, operation: Operation, tmp_path: Path
) -> None:
    told: list[Callable[[Handler, str], None]] = [
        lambda handler, canary: handler.json(
            {"result": None, "error": {"code": -32601, "message": canary}, "id": handler.asked["id"]}, 500
        ),
        lambda handler, canary: handler.json({"result": canary, "error": canary, "id": canary}),
        lambda handler, canary: handler.json({"result": {canary: canary}, "error": None, "id": handler.asked["id"]}),
        lambda handler, canary: handler.json({"result": canary, "error": None, "id": handler.asked["id"]}),
        lambda handler, canary: handler.answer(401, "text/html", canary.encode()),
        lambda handler, canary: handler.answer(403, canary, canary.encode()),
        lambda handler, canary: handler.answer(200, "application/json", canary.encode()),
    ]
    for number, canary in enumerate(CANARIES[: 2 * len(told)]):
        tell = told[number % len(told)]
        node = lying(lambda handler, tell=tell, canary=canary: tell(handler, canary))
        node.rest = lambda handler, canary=canary: handler.answer(404, "text/plain", canary.encode())
        cookie = tmp_path / "cookie"
        cookie.write_text(f"__cookie__:{canary}")
        core = BitcoinCore.from_environment(
            {"ISTHMUS_BITCOIN_URL": node.url(f"{canary}:{canary}"), "ISTHMUS_BITCOIN_COOKIE": str(cookie)}
        )
        with wiring.replaced({BitcoinNode: core, Table: Broken(OSError), Blobs: Broken(OSError)}):
            seen.serve(operation, good(operation))
        seen.answers.append(repr(core._current()))
        core.close()


def environments(folder: Path, canary: str) -> Iterator[dict[str, str]]:
    """Ways to say wrongly where the node is."""
    for url in (
        f"http://{canary}:{canary}@127.0.0.1:1",
        f"http://{canary}@127.0.0.1:1",
        f"{canary}://u:p@127.0.0.1",
        f"http://u:{canary}@[::1",
        f"http://u:{canary}@127.0.0.1:99999",
        f"http://u:p@127.0.0.1:1/?{canary}",
        f"http://u:{canary}\n@127.0.0.1",
        canary,
    ):
        yield {"ISTHMUS_BITCOIN_URL": url}
    yield {"ISTHMUS_BITCOIN_URL": "http://127.0.0.1:1", "ISTHMUS_BITCOIN_COOKIE": str(folder / canary)}
    (folder / "cookie").write_text(canary)
    yield {"ISTHMUS_BITCOIN_URL": "http://127.0.0.1:1", "ISTHMUS_BITCOIN_COOKIE": str(folder / "cookie")}
    yield {"ISTHMUS_BITCOIN_URL": "https://u:p@127.0.0.1:1", "ISTHMUS_BITCOIN_CA": str(folder / "cookie")}


def test_no_part_of_a_node_s_address_is_seen_however_it_is_wrong(seen: Seen, tmp_path: Path) -> None:
    operation = next(one for one in ALL if one.name == "get_chain_info")
    for canary in CANARIES[::5]:
        for environ in environments(tmp_path, canary):
            with wiring.replaced({BitcoinNode: BitcoinCore.from_environment(environ)}):
                seen.serve(operation, good(operation))


def test_nothing_that_a_store_on_this_machine_holds_or_is_called_is_seen(seen: Seen, tmp_path: Path) -> None:
    for canary in CANARIES:
        folder = tmp_path / canary
        folder.mkdir()
        (folder / "table.sqlite").write_text(canary * 100)
        (folder / "blobs").write_text(canary)
        for ask in (
            lambda folder=folder, canary=canary: SqliteTable(folder / "table.sqlite").get(canary, canary),
            lambda folder=folder, canary=canary: SqliteTable(folder / "blobs" / "x").put(canary, canary, {"a": canary}),
            lambda folder=folder, canary=canary: FileBlobs(folder / "blobs").put(canary, canary.encode()),
            lambda folder=folder, canary=canary: FileBlobs(folder / "blobs").get(f"../{canary}"),
        ):
            with pytest.raises(Failure) as failed:
                ask()
            failure = failed.value
            with pytest.raises(Failure) as raised:
                respond.refuse(respond.Channel.TASK, failure, "one")
            seen.failed(raised.value)


def test_no_secret_and_no_item_is_seen_when_aws_s_libraries_are_at_debug(seen: Seen) -> None:
    import boto3
    from moto import mock_aws

    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.NOTSET)
    with mock_aws():
        logging.disable()
        secrets = boto3.client("secretsmanager")
        for canary in CANARIES[::10]:
            url = f"http://{canary}:{canary}@127.0.0.1:1"
            secrets.create_secret(Name=canary[7:], SecretString=json.dumps({"url": url}))
        logging.disable(logging.NOTSET)
        for canary in CANARIES[::10]:
            _through_aws(seen, canary)


def _through_aws(seen: Seen, canary: str) -> None:
    from isthmus.storage.adapters.dynamodb import DynamoDbTable
    from isthmus.storage.adapters.s3 import S3Blobs

    core = BitcoinCore.from_environment({"ISTHMUS_BITCOIN_SECRET": canary[7:]})
    table, blobs = DynamoDbTable("nowhere"), S3Blobs("nowhere")
    for ask in (
        lambda: core.call("getblockcount", deadline_s=1.0),
        lambda: table.put("a", canary, {"a": canary}),
        lambda: blobs.put("a", canary.encode()),
    ):
        with pytest.raises(Failure) as failed:
            ask()
        with pytest.raises(Failure) as raised:
            respond.refuse(respond.Channel.TASK, failed.value, "one")
        seen.failed(raised.value)


class Inbox:
    """The table of fault reports: what is put into it is seen."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def put(self, pk: str, sk: str, item: dict[str, Any], **_: Any) -> None:
        self._seen.answers.append(f"{pk} {sk} {item}")


@pytest.mark.parametrize("foreign", FOREIGN)
def test_no_report_of_a_failure_keeps_what_an_exception_said(
    seen: Seen, monkeypatch: pytest.MonkeyPatch, foreign: str
) -> None:
    inbox: Any = Inbox(seen)
    reporter = reports.Reporter(lambda: inbox, lambda: 1, patience_s=10)
    monkeypatch.setattr(reports, "_reporter", lambda: reporter)
    monkeypatch.setenv("ISTHMUS_TABLE", "inbox")
    operation = next(one for one in ALL if one.name == "list_runs")

    for canary in CANARIES[: reports.MAX_REPORTS]:
        with broken(lambda canary=canary: FOREIGN[foreign](canary)):
            seen.serve(operation, http(operation, canary))

    assert sum(answer.startswith(reports.PARTITION) for answer in seen.answers) == reports.MAX_REPORTS


def test_an_api_key_is_in_the_answer_that_makes_it_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "DEBUG")
    seen, place = Seen(), Place(tmp_path)
    with logging_to(seen.logged):
        keys = [_made_key(place, number) for number in range(20)]
        for key in keys:
            _use_everywhere(seen, place, key)
    printed = capfd.readouterr()

    assert len(seen.answers) == 20 * 13
    assert any("'role': 'client'" in answer for answer in seen.answers)
    for key in keys:
        _, _, secret = key.split("_")
        for place_seen in (seen.logged.getvalue(), printed.out, printed.err, *seen.answers):
            assert secret not in place_seen


def _owner_s(place: Place) -> dict[str, Any]:
    owner = Caller("did", place.owner.did, "owner", "main", ("*",), place.clock.now, MAX_MSAT)
    return {"requestContext": {"requestId": "one", "http": {"method": "POST"}, "authorizer": authorizer(owner)}}


def _made_key(place: Place, number: int) -> str:
    made = next(one for one in ALL if one.name == "create_key")
    body = json.dumps({"name": f"key {number}", "scopes": ["*"]})
    with wiring.replaced(place.ports):
        answer = made({**_owner_s(place), "headers": {"content-type": "application/json"}, "body": body}, None)
    return str(json.loads(answer["body"])["api_key"])


def _use_everywhere(seen: Seen, place: Place, key: str) -> None:
    """A key where it belongs, where it does not, wrong, revoked, and when the store repeats it in an exception."""
    key_id, table = key.split("_")[1], place.ports[Table]
    for name, value in (
        ("authorization", f"Bearer {key}"),
        ("authorization", f"Bearer {key}0"),
        ("authorization", f"DPoP {key}"),
        ("authorization", f"Basic {key}"),
        ("authorization", key),
        ("dpop", key),
        ("signature", key),
        ("x-api-key", key),
    ):
        seen.answers.append(repr(place.authorize("GET", "/v1/things", {name: value})))
    place.ports[Table] = Broken(lambda: RuntimeError(key))
    seen.answers.append(repr(place.authorize("GET", "/v1/things", {"authorization": f"Bearer {key}"})))
    place.ports[Table] = table
    with wiring.replaced(place.ports):
        for name in ("list_keys", "list_key_usage", "revoke_key"):
            operation = next(one for one in ALL if one.name == name)
            event = _owner_s(place) | ({"pathParameters": {"key_id": key_id}} if "{" in str(operation.path) else {})
            event["requestContext"]["http"]["method"] = operation.method
            seen.serve(operation, event)
            assert key_id in seen.answers[-1] or name == "list_key_usage"
    seen.answers.append(repr(place.authorize("GET", "/v1/things", {"authorization": f"Bearer {key}"})))


def test_the_guard_would_see_a_canary_in_every_place_it_looks() -> None:
    stream, seen = io.StringIO(), Seen()
    with logging_to(stream):
        logging.getLogger("anybody").debug("a %s", CANARIES[0])
        respond.logger().debug(CANARIES[1])
    with pytest.raises(RuntimeError) as raised:
        raise RuntimeError("x") from ValueError(CANARIES[2])
    seen.failed(raised.value)

    assert all(canary in stream.getvalue() for canary in CANARIES[:2])
    assert CANARIES[2] in seen.answers[0]


def test_there_are_a_hundred_canaries_and_no_two_are_alike() -> None:
    assert len(set(CANARIES)) == 100
