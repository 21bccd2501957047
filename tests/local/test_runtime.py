"""The runtime as a whole: a small template served over real HTTP, with real workers and the real engine."""

import asyncio
import http.client
import json
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from infra.local.client import Answer, control, send
from infra.local.environment import DEPLOYED_ONLY
from infra.local.home import Address, Home, find, is_held
from infra.local.identity import load
from infra.local.runtime import _listener, serve
from infra.local.settings import Settings, settings_from
from isthmus.failure import Invalid, Precondition
from isthmus.storage.adapters.sqlite import SqliteTable

HERE = Path(__file__).parent
Up = Callable[..., AbstractAsyncContextManager[Address]]


@pytest.fixture
def settings(template: Path, tmp_path: Path) -> Settings:
    return Settings(
        home=Home(tmp_path / "home"),
        root=HERE,
        template=template,
        port=0,
        node={"ISTHMUS_BITCOIN_URL": "http://user:secret@127.0.0.1:1"},
        preload=(),
        later=(),
    )


@pytest.fixture
def up(settings: Settings) -> Up:
    """Run the runtime for as long as the block lasts; it is stopped as `isthmus down` stops it."""

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[Address]:
        told: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(serve(replace(settings, **changes), told.set_result))
        await asyncio.wait({told, running}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
        try:
            yield told.result()
        finally:
            await asyncio.to_thread(control, told.result(), "POST", "/stop")
            await running

    return start


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def asked(address: Address, method: str, path: str, **more: Any) -> Answer:
    return await asyncio.to_thread(send, address.url, method, path, **more)


async def invoked(address: Address, function: str, event: Any) -> Any:
    answer = await asyncio.to_thread(control, address, "POST", f"/invoke/{function}", json.dumps(event).encode())
    return json.loads(answer.body)


def test_requests_are_served_by_the_templates_functions(up: Up) -> None:
    async def story() -> None:
        async with up() as address:
            answer = await asked(address, "GET", "/v1/things/a%20b?x=1")
            assert (answer.status, json.loads(answer.body)) == (201, {"path": "/v1/things/a b"})
            assert answer.headers["x-number"] == "7"
            failed = await asked(address, "POST", "/v1/raise", body=b"{}")
            assert failed.status == 500
            assert json.loads(failed.body)["message"] == "Internal Server Error"
            rest = json.loads((await asked(address, "GET", "/elsewhere")).body)
            assert rest["event"]["routeKey"] == "$default"
            told = {"asked": "arn:aws:execute-api:us-east-1:000000000000:local/$default/GET/elsewhere"}
            assert rest["event"]["requestContext"]["authorizer"] == {"lambda": told}
            refused = await asked(address, "GET", "/elsewhere", headers={"x-refuse": "1"})
            assert (refused.status, json.loads(refused.body)["message"]) == (403, "Forbidden")
            assert (await asked(address, "GET", "/v1/open", headers={"x-refuse": "1"})).status == 201

    asyncio.run(story())


def test_a_caller_cannot_say_from_where_it_calls(up: Up) -> None:
    async def story() -> None:
        async with up() as address:
            said = {"x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https"}
            answer = await asked(address, "GET", "/anything", headers=said)
            event = json.loads(answer.body)["event"]
            assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
            assert event["headers"]["x-forwarded-for"] == "127.0.0.1"
            assert event["headers"]["x-forwarded-proto"] == "http"

    asyncio.run(story())


def test_one_connection_serves_many_requests(up: Up) -> None:
    def many(address: Address) -> list[int]:
        connection = http.client.HTTPConnection(urlsplit(address.url).netloc, timeout=10)
        statuses = []
        for _ in range(50):
            connection.request("GET", "/v1/things/1")
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        connection.close()
        return statuses

    async def story() -> None:
        async with up() as address:
            assert await asyncio.to_thread(many, address) == [201] * 50

    asyncio.run(story())


def test_answers_do_not_wait_for_acknowledgements() -> None:
    with _listener(0) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # asyncio turns Nagle's algorithm off only when it sees this


def test_a_request_with_two_lengths_is_refused(up: Up) -> None:
    def smuggled(address: Address) -> bytes:
        with socket.create_connection(("127.0.0.1", urlsplit(address.url).port or 0), timeout=10) as connection:
            connection.sendall(
                b"POST /v1/things HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            )
            return connection.recv(4096)

    async def story() -> None:
        async with up() as address:
            assert (await asyncio.to_thread(smuggled, address)).startswith(b"HTTP/1.1 400")

    asyncio.run(story())


def test_workers_see_local_stores_and_never_the_deployed_ones(up: Up, settings: Settings) -> None:
    async def story() -> None:
        async with up() as address:
            environment = (await invoked(address, "good", {}))["environment"]
            assert environment["ISTHMUS_HOME"] == str(settings.home.path)
            assert environment["ISTHMUS_OWNER"] == load(settings.home.owner).did
            assert environment["ISTHMUS_BITCOIN_URL"] == "http://user:secret@127.0.0.1:1"
            assert environment["AWS_ENDPOINT_URL"] == environment["AWS_ENDPOINT_URL_SFN"] == address.control
            assert environment["AWS_ACCESS_KEY_ID"] == address.token
            assert set(DEPLOYED_ONLY).isdisjoint(environment)

    asyncio.run(story())


def test_a_function_starts_a_machine_whose_task_is_a_function(up: Up) -> None:
    async def story() -> None:
        async with up() as address:
            started = await invoked(address, "starter", {"name": "one"})
            assert started["arn"].endswith(":execution:isthmus-double:one")
            for _ in range(200):
                status = json.loads((await asyncio.to_thread(control, address, "GET", "/status")).body)
                execution = status["machines"][0]["executions"][0]
                if execution["status"] != "RUNNING":
                    break
                await asyncio.sleep(0.02)
            assert (execution["name"], execution["status"]) == ("one", "SUCCEEDED")

    asyncio.run(story())


def test_a_new_row_starts_who_follows_its_partition(up: Up, settings: Settings) -> None:
    filtered = '{"eventName": ["INSERT"], "dynamodb": {"Keys": {"pk": {"S": ["house/dust"]}}}}'
    told = "FunctionName: !Ref Starter, EventSourceArn: !GetAtt Table.StreamArn"
    mapping = f"{{{told}, FilterCriteria: {{Filters: [{{Pattern: '{filtered}'}}]}}}}"
    text = settings.template.read_text().replace("handlers.starter", "handlers.chatty")
    follows = f"  StarterFollows: {{Type: AWS::Lambda::EventSourceMapping, Properties: {mapping}}}\n"
    settings.template.write_text(text + follows)

    async def story() -> None:
        async with up():
            SqliteTable(settings.home.table).put("house/dust", "1", {})
            for _ in range(500):
                if settings.home.functions_log.exists() and "structured" in settings.home.functions_log.read_text():
                    return
                await asyncio.sleep(0.02)
            raise AssertionError("nobody was started")

    asyncio.run(story())


def test_the_status_names_everything_but_secrets(up: Up) -> None:
    async def story() -> None:
        async with up() as address:
            answer = await asyncio.to_thread(control, address, "GET", "/status")
            status = json.loads(answer.body)
            assert {one["function"] for one in status["functions"]} == {
                "Authorize",
                "GetThing",
                "Rest",
                "Starter",
                "Task",
            }
            assert len(status["schedules"]) == 2
            assert all(one["next_due"] for one in status["schedules"])
            assert status["node"] == "http://127.0.0.1:1"
            assert b"secret" not in answer.body

    asyncio.run(story())


def test_only_this_user_can_read_how_to_reach_the_runtime(up: Up, settings: Settings) -> None:
    async def story() -> None:
        async with up() as address:
            assert find(settings.home) == address
            assert [mode(path) for path in (settings.home.runtime, settings.home.path)] == [0o600, 0o700]
            public, private = (urlsplit(url).port for url in (address.url, address.control))
            for port in (public, private):
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection("127.0.0.2", port)  # this machine too, but not 127.0.0.1

    asyncio.run(story())
    assert not settings.home.runtime.exists()
    assert not is_held(settings.home)
    with pytest.raises(Precondition, match="isthmus up"):
        find(settings.home)


def test_a_second_runtime_on_the_same_folder_or_port_says_what_to_do(up: Up, tmp_path: Path) -> None:
    async def story() -> None:
        async with up() as address:
            with pytest.raises(Precondition, match="isthmus down"):
                async with up():
                    pass
            other = up(home=Home(tmp_path / "other"), port=urlsplit(address.url).port)
            with pytest.raises(Precondition, match="--port"):
                async with other:
                    pass

    asyncio.run(story())


@pytest.mark.parametrize(
    ("old", "new", "complaint"), [("rate(1 minute)", "rate(1 minutes)", "singular"), ("Resources:", "[", "YAML")]
)
def test_a_broken_template_is_explained_and_leaves_nothing_behind(
    up: Up, settings: Settings, template: Path, old: str, new: str, complaint: str
) -> None:
    async def story() -> None:
        with pytest.raises(Invalid, match=complaint):
            async with up():
                pass

    template.write_text(template.read_text().replace(old, new))
    asyncio.run(story())
    assert not is_held(settings.home)


def test_an_execution_goes_on_after_the_runtime_was_stopped(up: Up, settings: Settings) -> None:
    waiting = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "Next": "T"}, "T": {"Type": "Succeed"}}}
    (settings.template.parent / "double.asl.json").write_text(json.dumps(waiting))

    async def story() -> None:
        async with up() as address:
            await invoked(address, "starter", {"name": "long"})
        async with up() as address:
            for _ in range(300):
                status = json.loads((await asyncio.to_thread(control, address, "GET", "/status")).body)
                if status["machines"][0]["executions"][0]["status"] == "SUCCEEDED":
                    return
                await asyncio.sleep(0.02)
            raise AssertionError("the execution does not go on")

    asyncio.run(story())


def test_the_environment_chooses_folder_port_and_node(tmp_path: Path) -> None:
    environ = {"ISTHMUS_HOME": str(tmp_path), "ISTHMUS_PORT": "9000", "ISTHMUS_BITCOIN_COOKIE": "/cookie"}

    given = settings_from(environ)
    assert (given.home.path, given.port, given.node, given.regtest) == (tmp_path, 9000, None, True)
    external = settings_from(environ | {"ISTHMUS_BITCOIN_URL": "http://n:1"}, port=9001, with_node=False)
    assert external.port == 9001
    assert external.node == {"ISTHMUS_BITCOIN_URL": "http://n:1", "ISTHMUS_BITCOIN_COOKIE": "/cookie"}
    assert settings_from({}).home.path.name == ".isthmus"


def test_the_pause_before_a_failed_event_s_next_attempt_may_be_chosen() -> None:
    assert settings_from({}).pauses_s == (60.0, 120.0)
    assert settings_from({"ISTHMUS_RETRY_PAUSE_S": "0.5"}).pauses_s == (0.5, 1.0)
    for wrong in ("soon", "-1", "1.2.3"):
        with pytest.raises(Invalid):
            settings_from({"ISTHMUS_RETRY_PAUSE_S": wrong})
