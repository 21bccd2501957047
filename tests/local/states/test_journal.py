import asyncio
import fcntl
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from infra.local.states import Engine
from isthmus.failure import Conflict, Integrity, Unavailable
from tests.local.states.conftest import Opened
from tests.local.states.machines import Gate, calling, chain, eventually, task


def test_a_map_that_has_ended_leaves_one_step_in_the_journal(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        gate = Gate()
        async with opened({"gate": gate}) as engine:
            engine.register("m", chain(M={"Type": "Map", "Iterator": chain(I={"Type": "Pass"})}, A=task("gate")))
            await engine.start("m", "one", [1, 2, 3])
            await gate.entered.wait()

    asyncio.run(scenario())
    with closing(sqlite3.connect(tmp_path / "states.db")) as database:
        assert database.execute("SELECT place, output FROM step").fetchall() == [("0", "[1,2,3]")]


def test_an_ended_execution_leaves_no_steps_in_the_journal(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened({"f": lambda payload: payload}) as engine:
            engine.register("m", chain(M={"Type": "Map", "Iterator": chain(I=task("f"))}, A=task("f")))
            await engine.start("m", "one", [1, 2, 3])
            await engine.wait("m", "one")

    asyncio.run(scenario())
    with closing(sqlite3.connect(tmp_path / "states.db")) as database:
        assert database.execute("SELECT count(*) FROM step").fetchone() == (0,)


def test_events_are_on_the_disk_a_moment_later_without_a_finished_state(tmp_path: Path) -> None:
    async def scenario() -> None:
        gate = Gate()
        engine = Engine(tmp_path / "states.db", calling({"gate": gate}))
        engine.register("m", chain(A=task("gate")))
        await engine.start("m", "one", {})
        await gate.entered.wait()
        await eventually(lambda: engine.history("m", "one"))
        assert [event.type for event in engine.history("m", "one")] == [
            "ExecutionStarted",
            "TaskStateEntered",
            "TaskScheduled",
        ]
        await engine.close()

    asyncio.run(scenario())


def test_a_journal_belongs_to_one_process(tmp_path: Path) -> None:
    holder = "import fcntl,sys; f=open(sys.argv[1],'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"
    command = [sys.executable, "-c", holder, str(tmp_path / "states.db.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(Conflict):
            Engine(tmp_path / "states.db", calling({}))
        other.communicate(b"\n")
    asyncio.run(Engine(tmp_path / "states.db", calling({})).close())


def test_a_closed_journal_is_free_again(opened: Opened, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened():
            pass

    asyncio.run(scenario())
    with (tmp_path / "states.db.lock").open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_folder_of_a_journal_is_made(tmp_path: Path) -> None:
    asyncio.run(Engine(tmp_path / "a" / "b" / "states.db", calling({})).close())
    assert (tmp_path / "a" / "b" / "states.db").is_file()


def test_a_journal_where_none_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable):
        Engine(tmp_path / "file" / "states.db", calling({}))


def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "states.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(Integrity):
        Engine(tmp_path / "states.db", calling({}))


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "states.db").write_text("something else " * 1000)
    with pytest.raises(Unavailable):
        Engine(tmp_path / "states.db", calling({}))


def test_a_journal_that_cannot_be_written_stops_the_execution_until_it_can(
    opened: Opened, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def rename(old: str, new: str) -> None:
        database = sqlite3.connect(tmp_path / "states.db")
        database.execute(f"ALTER TABLE {old} RENAME TO {new}")
        database.close()

    async def scenario() -> None:
        gate = Gate()
        async with opened({"gate": gate}) as engine:
            engine.register("m", chain(A=task("gate")))
            await engine.start("m", "one", 7)
            await gate.entered.wait()
            rename("step", "gone")
            gate.open.set()
            with pytest.raises(Unavailable):
                await engine.wait("m", "one")
            described = engine.describe("m", "one")
            assert described is not None
            assert described.status == "RUNNING"
            assert "waits for a restart" in caplog.text
            rename("gone", "step")
            await engine.start("m", "two", 8)
            assert (await engine.wait("m", "two")).output == 8
        async with opened({"gate": gate}) as engine:
            await engine.resume()
            assert (await engine.wait("m", "one")).output == 7

    asyncio.run(scenario())
