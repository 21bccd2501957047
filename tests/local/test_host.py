"""The Lambda host with AWS's own runtime in real processes."""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from infra.local.expand import Function
from infra.local.forks import python_path
from infra.local.home import ROOT
from infra.local.host import Host, Limits
from infra.local.logs import read
from isthmus.failure import Unavailable

HostOf = Callable[..., AbstractAsyncContextManager[Host]]
MakeFunction = Callable[..., Function]


async def result(host: Host, function: str, event: Any) -> Any:
    outcome = await host.invoke(function, json.dumps(event).encode())
    assert outcome.error is None, outcome
    return json.loads(outcome.payload)


async def failure(host: Host, function: str, event: Any) -> tuple[str | None, Any]:
    outcome = await host.invoke(function, json.dumps(event).encode())
    return outcome.error, json.loads(outcome.payload)


async def gone(pid: int) -> None:
    """Wait until the process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended, _, _ = await asyncio.to_thread(select.select, [descriptor], [], [], 10)
    os.close(descriptor)
    assert ended


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the host tells nobody
            await asyncio.sleep(0)


def test_a_handler_gets_its_event_and_a_real_context(host_of: HostOf) -> None:
    async def story() -> None:
        async with host_of("good") as host:
            first = await result(host, "good", {"height": 1})
            assert first["event"] == {"height": 1}
            assert first["function"] == "test-good"
            assert 0 < first["left_ms"] <= 10_000
            second = await result(host, "good", {})
            assert second["pid"] == first["pid"]
            assert second["request_id"] != first["request_id"]

    asyncio.run(story())


def test_a_worker_has_the_environment_it_is_given_and_nothing_of_ours(
    host_of: HostOf, make_function: MakeFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_MINE", "x")

    async def story() -> None:
        async with host_of(make_function("good", environment={"MARK": "m"})) as host:
            environment = (await result(host, "good", {}))["environment"]
            assert environment["MARK"] == "m"
            assert environment["_HANDLER"] == "handlers.good"
            assert "SECRET_OF_MINE" not in environment

    asyncio.run(story())


def test_an_exception_is_described_as_lambda_does_and_the_worker_lives_on(host_of: HostOf) -> None:
    async def story() -> None:
        async with host_of("raising") as host:
            for _ in range(2):
                error, payload = await failure(host, "raising", {})
                assert error == payload["errorType"] == "LookupError"
                assert payload["errorMessage"] == "no such block"
                assert "handlers.py" in payload["stackTrace"][0]
            assert host.status()[0]["workers"] == 1

    asyncio.run(story())


@pytest.mark.parametrize(
    ("function", "event", "message"),
    [
        ("exiting", {"status": 3}, "exit status 3"),
        ("exiting", {"status": 0}, "without providing a reason"),
        ("killing", {}, "signal: killed"),
    ],
)
def test_a_worker_that_dies_takes_only_its_own_invocation_along(
    host_of: HostOf, function: str, event: Any, message: str
) -> None:
    async def story() -> None:
        async with host_of(function, "good") as host:
            for _ in range(2):
                error, payload = await failure(host, function, event)
                assert error == "Runtime.ExitError"
                assert message in payload["errorMessage"]
            assert (await result(host, "good", 1))["event"] == 1

    asyncio.run(story())


def test_a_handler_that_overruns_its_time_is_ended_and_the_next_call_gets_a_new_worker(
    host_of: HostOf, make_function: MakeFunction
) -> None:
    async def story() -> None:
        async with host_of(make_function("slow", timeout_s=0.3)) as host:
            error, payload = await failure(host, "slow", {})
            assert error == "Sandbox.Timedout"
            assert payload["errorMessage"].endswith("Task timed out after 0.30 seconds")
            assert (await result(host, "slow", {"seconds": 0}))["pid"] > 0

    asyncio.run(story())


def test_a_handler_that_cannot_be_loaded_says_why_each_time(host_of: HostOf, make_function: MakeFunction) -> None:
    async def story() -> None:
        missing = make_function("missing", handler="nowhere.f")
        nameless = make_function("nameless", handler="handlers.nothing")
        async with host_of(missing, nameless) as host:
            for _ in range(2):
                assert (await failure(host, "missing", {}))[0] == "Runtime.ImportModuleError"
            assert (await failure(host, "nameless", {}))[0] == "Runtime.HandlerNotFound"

    asyncio.run(story())


def test_what_is_not_json_or_too_large_is_refused_as_lambda_does(host_of: HostOf) -> None:
    async def story() -> None:
        async with host_of("unpicklable", "big", "good") as host:
            assert (await failure(host, "unpicklable", {}))[0] == "Runtime.MarshalError"
            assert len(await result(host, "big", {"bytes": 5_000_000})) == 5_000_000
            assert (await failure(host, "big", {"bytes": 6_300_000}))[0] == "Function.ResponseSizeTooLarge"
            assert await result(host, "big", {"bytes": 1}) == "x"
            assert (await result(host, "good", "y" * 6_000_000))["event"] == "y" * 6_000_000
            assert (await failure(host, "good", "y" * 6_300_000))[0] == "Lambda.RequestTooLargeException"

    asyncio.run(story())


def test_busy_workers_get_help_up_to_the_functions_limit(host_of: HostOf, make_function: MakeFunction) -> None:
    async def story() -> None:
        limited = make_function("limited", handler="handlers.slow", concurrency=1)
        async with host_of("slow", limited, limits=Limits(per_function=3)) as host:
            slow = await asyncio.gather(*(result(host, "slow", {"seconds": 0.2}) for _ in range(6)))
            assert len({one["pid"] for one in slow}) == 3
            alone = await asyncio.gather(*(result(host, "limited", {"seconds": 0.01}) for _ in range(4)))
            assert len({one["pid"] for one in alone}) == 1

    asyncio.run(story())


def test_idle_workers_make_room_the_longest_idle_first(host_of: HostOf, make_function: MakeFunction) -> None:
    async def story() -> None:
        functions = [make_function(name, handler="handlers.good") for name in "abc"]
        async with host_of(*functions, limits=Limits(workers=2)) as host:
            pids = {name: (await result(host, name, {}))["pid"] for name in "ab"}
            assert (await result(host, "a", {}))["pid"] == pids["a"]
            await result(host, "c", {})
            assert [one["workers"] for one in host.status()] == [1, 0, 1]
            await gone(pids["b"])
            assert (await result(host, "b", {}))["pid"] != pids["b"]

    asyncio.run(story())


def test_a_function_without_a_worker_is_not_starved_by_a_busy_one(host_of: HostOf, make_function: MakeFunction) -> None:
    async def story() -> None:
        async with host_of("slow", "good", limits=Limits(workers=1)) as host:
            order: list[str] = []

            async def noted(name: str, event: Any) -> None:
                await result(host, name, event)
                order.append(name)

            first = asyncio.create_task(noted("slow", {"seconds": 0.1}))
            await asyncio.sleep(0)
            other = asyncio.create_task(noted("good", {}))
            await asyncio.sleep(0)
            more = [asyncio.create_task(noted("slow", {"seconds": 0.1})) for _ in range(3)]
            await asyncio.gather(first, other, *more)
            assert order.index("good") == 1

    asyncio.run(story())


def test_too_many_waiting_invocations_are_throttled(host_of: HostOf) -> None:
    async def story() -> None:
        async with host_of("slow", limits=Limits(per_function=1, waiting=2)) as host:
            calls = [host.invoke("slow", b'{"seconds": 0.05}') for _ in range(4)]
            errors = [outcome.error for outcome in await asyncio.gather(*calls)]
            assert errors.count("Lambda.TooManyRequestsException") == 2
            assert errors.count(None) == 2

    asyncio.run(story())


def test_a_caller_that_goes_away_does_not_stop_the_function(host_of: HostOf) -> None:
    async def story() -> None:
        async with host_of("slow", limits=Limits(per_function=1)) as host:
            pid = (await result(host, "slow", {"seconds": 0}))["pid"]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await host.invoke("slow", b'{"seconds": 0.2}')
            assert host.status()[0]["busy"] == 1
            assert (await result(host, "slow", {"seconds": 0}))["pid"] == pid

    asyncio.run(story())


def test_idle_workers_end_after_a_while(host_of: HostOf) -> None:
    async def story() -> None:
        async with host_of("good", limits=Limits(idle_s=0.05)) as host:
            await gone((await result(host, "good", {}))["pid"])
            assert host.status()[0]["workers"] == 0

    asyncio.run(story())


def test_a_killed_fork_server_is_replaced(host_of: HostOf) -> None:
    async def story() -> None:
        async with host_of("good", "slow") as host:
            pid = (await result(host, "good", {}))["pid"]
            await result(host, "slow", {"seconds": 0})
            waiting = asyncio.create_task(failure(host, "slow", {}))
            await asyncio.sleep(0)
            forks = host._forks.pid
            assert forks is not None
            os.kill(forks, signal.SIGKILL)
            assert (await waiting)[0] == "Runtime.ExitError"
            assert (await result(host, "good", {}))["pid"] != pid
            await gone(pid)

    asyncio.run(story())


def test_closing_ends_every_worker_and_tells_whoever_waits(host_of: HostOf) -> None:
    async def story() -> None:
        async with host_of("slow", limits=Limits(per_function=1)) as host:
            pid = (await result(host, "slow", {"seconds": 0}))["pid"]
            busy = asyncio.create_task(failure(host, "slow", {}))
            queued = asyncio.create_task(failure(host, "slow", {}))
            (worker,) = host._workers.values()
            await until(lambda: worker.delivered and worker.invocation is not None)
        assert (await busy)[0] == "Runtime.ExitError"
        assert (await queued)[0] == "Lambda.ServiceException"
        await gone(pid)

    asyncio.run(story())


def test_closing_tells_who_waits_for_a_worker_that_never_asked_for_the_work_it_was_given(host_of: HostOf) -> None:
    async def story() -> None:
        async with host_of("slow", limits=Limits(per_function=1)) as host:
            pid = (await result(host, "slow", {"seconds": 0}))["pid"]
            (worker,) = host._workers.values()
            await until(lambda: worker._waiting is not None)
            os.kill(pid, signal.SIGSTOP)
            worker._waiting = None
            given = asyncio.create_task(failure(host, "slow", {}))
            await asyncio.sleep(0)
            assert worker.invocation is not None
        async with asyncio.timeout(10):
            assert (await given)[0] == "Lambda.ServiceException"
        await gone(pid)

    asyncio.run(story())


ORPHANS = """
import asyncio, json, os, sys
from pathlib import Path
from infra.local.expand import Function
from infra.local.home import ROOT
from infra.local.host import Host

async def main():
    good = Function("good", "good", "arn", "handlers.good", 10.0, 128, {}, None)
    environment = {"PATH": os.environ["PATH"], "LAMBDA_TASK_ROOT": sys.argv[2]}
    host = Host([good], lambda _: environment, root=ROOT, log=Path(sys.argv[1]))
    await host.start()
    outcome = await host.invoke("good", b"{}")
    print(json.loads(outcome.payload)["pid"], host._forks.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_killed_host_leaves_no_process_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ORPHANS, str(tmp_path / "functions.log"), str(Path(__file__).parent)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": python_path(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        pids = [int(word) for word in host.stdout.readline().split()]
        host.kill()
    assert len(pids) == 2
    for pid in pids:
        asyncio.run(gone(pid))


def test_what_functions_print_is_in_the_log_with_their_name(host_of: HostOf, tmp_path: Path) -> None:
    async def story() -> None:
        async with host_of("chatty") as host:
            await result(host, "chatty", {})

    asyncio.run(story())
    lines = [json.loads(line) for line in read(tmp_path / "functions.log")]
    assert [line["message"] for line in lines] == ["plain", "structured", "to the error"]
    assert {line["function"] for line in lines} == {"chatty"}


TWO_WORKERS_END_AT_ONCE = """
import os, pathlib, selectors, sys
from collections import deque
from infra.local.forkserver import ForkServer, _Worker
from infra.local.logs import BoundedLog

server = ForkServer(0, 1, BoundedLog(pathlib.Path(sys.argv[1])), deque())
woken, wake = os.pipe()
ready = [server.selector.register(woken, selectors.EVENT_READ)]
os.write(wake, b"!")
for number in (1, 2):
    output, inner = os.pipe()
    os.set_blocking(output, False)
    pid = os.posix_spawnp("echo", ["echo", "last words"], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, inner, 1)])
    os.close(inner)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    server.workers[number] = _Worker(number, pid, "good", output)
    ready.append(server.selector.register(output, selectors.EVENT_READ, server.workers[number]))
server.attend(ready, woken)
assert not server.workers
"""


def test_the_fork_server_survives_workers_whose_end_and_last_words_arrive_together(tmp_path: Path) -> None:
    log = tmp_path / "functions.log"
    command = [sys.executable, "-c", TWO_WORKERS_END_AT_ONCE, str(log)]

    done = subprocess.run(
        command, env={"PYTHONPATH": python_path(ROOT), "PATH": os.environ["PATH"]}, capture_output=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.splitlines() == [b'{"exited":1,"status":0}', b'{"exited":2,"status":0}']
    assert log.read_text().count("last words") == 2


def test_no_other_program_can_take_an_invocation(host_of: HostOf) -> None:
    async def story() -> None:
        async with host_of("good") as host:
            await result(host, "good", {})
            reader, writer = await asyncio.open_connection(*host._api.split(":"))
            writer.write(b"GET /guess/2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 403")
            writer.close()
            await writer.wait_closed()

    asyncio.run(story())


def test_a_library_that_cannot_be_imported_keeps_the_host_from_starting(tmp_path: Path) -> None:
    async def story() -> None:
        host = Host([], lambda _: {}, root=ROOT, log=tmp_path / "functions.log", preload=["tests.local.broken"])
        with pytest.raises(Unavailable):
            await host.start()
        await host.close()

    asyncio.run(story())


def test_a_library_that_is_not_installed_is_no_reason_not_to_start(tmp_path: Path) -> None:
    async def story() -> None:
        host = Host([], lambda _: {}, root=ROOT, log=tmp_path / "functions.log", preload=["not_installed_anywhere"])
        await host.start()
        await host.close()

    asyncio.run(story())
