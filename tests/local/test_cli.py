"""The command line: its words become requests, its answers are for people."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from infra.local.cli import COMMANDS, main
from infra.local.commands import call
from infra.local.forks import python_path
from infra.local.home import ROOT, Address, Home, held, publish
from infra.local.identity import create, owner
from infra.local.logs import BoundedLog, tagged
from infra.local.signing import TOKEN_PATH
from isthmus import base64url
from isthmus.failure import Conflict, FieldError, Invalid, NotFound
from isthmus.fields import FromHeader, Request, Response
from isthmus.operation import Effect, Operation, operation


class MakeThing(Request):
    thing_id: str = Field(description="which thing, 100% of it")
    height: int = Field(ge=0, description="block height")
    kind: Literal["a", "b"] = "a"
    tags: list[str] | None = Field(default=None, description="labels")
    fast: bool = False


class Thing(Response):
    made: bool


@operation("POST /v1/things/{thing_id}", effect=Effect.CHANGE)
def make_thing(request: MakeThing) -> Thing:
    """Make a thing."""
    return Thing(made=True)


@operation("GET /v1/things/{thing_id}", effect=Effect.READ)
def get_thing(request: MakeThing) -> Thing:
    """Get a thing."""
    return Thing(made=True)


@operation("GET /v1/open/{thing_id}", effect=Effect.READ, public=True)
def public_thing(request: MakeThing) -> Thing:
    """Get what everybody may see."""
    return Thing(made=True)


class PayThing(Request):
    amount_sat: int
    intent: Annotated[str | None, FromHeader("idempotency-key")] = None
    origin: Annotated[str, FromHeader(":origin")]


@operation("POST /v1/payments", effect=Effect.CHANGE)
def pay_thing(request: PayThing) -> Thing:
    """Pay for a thing."""
    return Thing(made=True)


@operation(effect=Effect.CHANGE)
def hidden_thing(request: MakeThing) -> Thing:
    """Only state machines do this."""
    return Thing(made=True)


class Server(HTTPServer):
    """A runtime that remembers what it was asked and answers what the test says."""

    status = 200
    media_type = "application/json"
    function_error = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, Any]] = []
        self.schemes: list[str] = []
        self.sent: list[dict[str, str]] = []
        self.answer: Any = {"made": True}


class Handler(BaseHTTPRequestHandler):
    server: Server

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == TOKEN_PATH:
            self.reply({"access_token": "the-token", "token_type": "DPoP", "expires_in": 300, "scope": "*"})
            return
        self.server.schemes.append((self.headers.get("authorization") or "none").partition(" ")[0])
        self.server.sent.append(dict(self.headers))
        self.server.asked.append((self.command, self.path, json.loads(body) if body else None))
        self.send_response(self.server.status)
        self.send_header("content-type", self.server.media_type)
        if self.server.function_error:
            self.send_header("x-amz-function-error", "Unhandled")
        self.reply(self.server.answer, started=True)

    def reply(self, document: Any, *, started: bool = False) -> None:
        if not started:
            self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    do_GET = do_POST = do_DELETE = respond  # noqa: N815 - the names http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name http.server uses
        pass


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("ISTHMUS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ISTHMUS_PORT", raising=False)
    return Home(tmp_path / "home")


@pytest.fixture
def server(home: Home) -> Iterator[Server]:
    with held(home), Server() as server:
        url = f"http://127.0.0.1:{server.server_port}"
        publish(home, Address(os.getpid(), url, url, "token"))
        owner(home)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def called(made: Operation, *words: str) -> int:
    return call._call(made, call._given(made, list(words)))


def test_fields_of_a_change_become_path_and_json_body(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--thing-id", "a/b", "--height", "7", "--tags", '["x"]', "--fast", "--kind", "b"]

    assert called(make_thing, *words) == 0
    assert server.asked == [
        ("POST", "/v1/things/a%2Fb", {"height": 7, "tags": ["x"], "fast": True, "kind": "b"}),
    ]
    assert json.loads(capsys.readouterr().out) == {"made": True}


def test_fields_of_a_read_become_the_query_string(server: Server) -> None:
    assert called(get_thing, "--thing-id", "x", "--height", "7", "--no-fast") == 0
    assert server.asked == [("GET", "/v1/things/x?height=7&fast=false", None)]


def test_a_field_of_a_header_is_sent_as_one_and_what_the_request_says_itself_is_no_option(server: Server) -> None:
    assert called(pay_thing, "--amount-sat", "5", "--intent", "once") == 0
    assert server.asked == [("POST", "/v1/payments", {"amount_sat": 5})]
    assert server.sent[0]["idempotency-key"] == "once"
    with pytest.raises(SystemExit):
        called(pay_thing, "--amount-sat", "5", "--origin", "http://elsewhere")


def test_calls_are_signed_unless_the_operation_is_public(server: Server) -> None:
    assert called(get_thing, "--thing-id", "x", "--height", "7") == 0
    assert called(public_thing, "--thing-id", "x", "--height", "7") == 0
    assert server.schemes == ["DPoP", "none"]


def test_the_help_names_each_field_with_its_description(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        called(make_thing, "--help")

    shown = " ".join(capsys.readouterr().out.split())
    for part in ("Make a thing.", "--thing-id", "which thing, 100% of it", "--tags", "(default: a)", "--no-fast"):
        assert part in shown


def test_a_value_that_does_not_fit_is_named_before_anything_is_sent(server: Server) -> None:
    with pytest.raises(Invalid, match=r"--height: .*greater than or equal to 0"):
        called(make_thing, "--thing-id", "x", "--height", "-1")
    with pytest.raises(Invalid, match="--tags"):
        called(make_thing, "--thing-id", "x", "--height", "1", "--tags", "x")
    assert server.asked == []


def test_an_operation_without_a_route_is_for_invoke(server: Server) -> None:
    with pytest.raises(NotFound, match="isthmus invoke hidden_thing"):
        called(hidden_thing, "--thing-id", "x", "--height", "1")


def test_a_problem_is_shown_to_people_with_what_to_do_last(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    failure = Conflict(
        "The thing has changed.",
        next_step="Read it again.",
        errors=(FieldError("/height", "too low"),),
        money_moved="unknown",
    )
    server.status, server.media_type, server.answer = 409, "application/problem+json", failure.problem("the-instance")

    assert called(make_thing, "--thing-id", "x", "--height", "1") == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        "409 The state has changed",
        "The thing has changed.",
        "  /height: too low",
        "Money moved: unknown.",
        "Read it again.",
        "(/problems/conflict, instance the-instance)",
    ]


def test_invoke_sends_a_tasks_event(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["invoke", "get_block", '{"height": 1}']) == 0
    assert server.asked == [("POST", "/invoke/get_block", {"execution": "cli", "request": {"height": 1}})]
    assert json.loads(capsys.readouterr().out) == {"made": True}

    server.function_error, server.answer = True, {"errorType": "NotFound", "errorMessage": "There is none."}
    assert main(["invoke", "get_block"]) == 1
    assert capsys.readouterr().err == "NotFound: There is none.\n"
    assert main(["invoke", "get_block", "{"]) == 1
    assert "not JSON" in capsys.readouterr().err


def test_a_new_key_is_alone_on_the_standard_output_and_never_shown_again(server: Server, capsys: Any) -> None:
    server.status, server.answer = 201, {"key_id": "00ff", "name": "demo", "api_key": "isk_00ff_secret"}

    words = ["--name", "demo", "--scope", "bitcoin:read", "--scope", "pipeline:read", "--max-msat", "5"]
    assert main(["key", "create", *words]) == 0
    shown = capsys.readouterr()
    assert shown.out == "isk_00ff_secret\n"
    assert '"key_id": "00ff"' in shown.err
    assert "secret" not in shown.err
    asked = {"name": "demo", "scopes": ["bitcoin:read", "pipeline:read"], "max_msat": 5}
    assert server.asked == [("POST", "/v1/access/keys", asked)]


def test_keys_are_listed_and_revoked_by_their_id(server: Server, capsys: Any) -> None:
    assert main(["key", "list"]) == 0
    assert main(["key", "revoke", "00/ff"]) == 0
    assert server.asked == [("GET", "/v1/access/keys", None), ("DELETE", "/v1/access/keys/00%2Fff", None)]


@pytest.mark.parametrize("words", [["create", "--name", "x", "--scope", "y"], ["list"], ["revoke", "00ff"]])
def test_a_refused_key_command_shows_the_problem_and_nothing_on_the_standard_output(
    server: Server, capsys: Any, words: list[str]
) -> None:
    failure = NotFound("There is no such key.", next_step="See `isthmus key list`.")
    server.status, server.media_type, server.answer = 404, "application/problem+json", failure.problem("the-instance")

    assert main(["key", *words]) == 1
    shown = capsys.readouterr()
    assert (shown.out, "There is no such key." in shown.err) == ("", True)


def test_commands_sign_as_the_identity_that_the_environment_names(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = create(tmp_path / "other.json")
    monkeypatch.setenv("ISTHMUS_IDENTITY", str(tmp_path / "other.json"))

    assert main(["key", "list"]) == 0
    header, _, _ = server.sent[0]["dpop"].partition(".")
    assert json.loads(base64url.decode(header))["jwk"]["x"] == other.to_jwk()["x"]


@pytest.mark.parametrize("words", [["status"], ["down"], ["invoke", "x"], ["call", "get_block"], ["key", "list"]])
def test_what_needs_the_runtime_says_how_to_start_it(
    home: Home, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(words) == 1
    assert "Run `isthmus up` first." in capsys.readouterr().err


def test_up_where_a_runtime_runs_says_so(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up"]) == 1
    assert "already" in capsys.readouterr().err


def test_mining_where_no_regtest_node_runs_says_how_to_start_one(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mine"]) == 1
    assert "isthmus up" in capsys.readouterr().err


def test_an_unknown_operation_is_answered_with_the_nearest_name(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["call", "get_openapo"]) == 1
    assert "Did you mean get_openapi?" in capsys.readouterr().err


def test_without_an_operation_call_lists_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["call"]) == 0
    assert "get_openapi" in capsys.readouterr().out


def test_logs_of_one_function_are_found_by_the_operations_name(home: Home, capfdbinary: Any) -> None:
    log = BoundedLog(home.functions_log)
    for function in ("GetBlock", "GetRun"):
        log.write(tagged(function, b"hello"))
    log.close()

    assert main(["logs", "--function", "get_block"]) == 0
    assert [json.loads(line)["function"] for line in capfdbinary.readouterr().out.splitlines()] == ["GetBlock"]


def test_every_subcommand_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


@pytest.fixture
def isthmus(home: Home) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """The command as a user runs it, with a folder of its own; what it started is stopped."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "ISTHMUS_HOME": str(home.path),
        "PYTHONPATH": python_path(ROOT),
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "infra.local.cli", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    yield run
    run("down")


def test_the_system_is_started_used_and_stopped(isthmus: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    up = isthmus("up", "--without-node", "--port", "0")
    assert up.returncode == 0, up.stderr
    assert "http://127.0.0.1:" in up.stdout
    assert "owner.json" in up.stderr

    again = isthmus("up", "--without-node")
    assert (again.returncode, "already" in again.stderr) == (1, True)

    document = isthmus("call", "get_openapi")
    assert json.loads(document.stdout)["openapi"].startswith("3.1")

    status = isthmus("status")
    assert "GetOpenapi: 1 workers" in status.stdout

    assert '"operation":"platform.get_openapi"' in isthmus("logs", "--function", "get_openapi").stdout

    down = isthmus("down")
    assert (down.returncode, down.stdout) == (0, "Isthmus is down.\n")
    assert isthmus("status").returncode == 1
