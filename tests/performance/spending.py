"""What exactly-once costs: the ledger's own latency around a payment; and how many schedules of faults it survives."""

import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

PAYMENTS = 300
SCHEDULES = 20_400


def measure() -> dict[str, tuple[float, str]]:
    """Milliseconds of the median payment without its connector; schedules without a violation; planted bugs found."""
    from tests.faults.payment import CASES
    from tests.faults.test_planted_bugs import BUGS, first_violation

    found = sum(any(first_violation(*bug, case) for case in CASES) for bug in BUGS)
    return {
        "ledger_p50_ms": (round(_latency_ms(), 2), "ms"),
        "schedules": (_schedules(), "schedules"),
        "planted_bugs_caught": (found, "bugs"),
    }


def _latency_ms() -> float:
    from isthmus.access.budgets import Limits
    from isthmus.access.caller import Caller
    from isthmus.effects import Outcome, Prepared, Succeeded
    from isthmus.ledger.engine import Ledger
    from isthmus.ledger.records import Intent
    from isthmus.storage.adapters.sqlite import SqliteTable

    class Instant:
        """A connector that takes no time."""

        def prepare(self, request: Any) -> Prepared:
            return Prepared(f"{request:064x}", "00" * 200, 1_000, (f"{request:064x}:0",))

        def send(self, prepared: Prepared) -> Outcome:
            return Succeeded(1_000)

        def look_up(self, prepared: Prepared) -> Outcome:
            return Succeeded(1_000)

    ada, limits = Caller("did", "did:key:zAda", "owner"), Limits(10**9, 10**12, 10**6)
    with tempfile.TemporaryDirectory() as folder:
        table = SqliteTable(Path(folder) / "table.sqlite")
        ledger = Ledger(table, {"instant": Instant()}, lambda: time.time_ns() // 1_000_000)
        took: list[float] = []
        for number in range(PAYMENTS):
            intent = Intent("test.pay", "instant", ada, str(number), {"number": number})
            started = time.perf_counter()
            assert ledger.pay(intent, number, limits).state == "succeeded"
            took.append(time.perf_counter() - started)
    return statistics.median(took) * 1000


def _schedules() -> int:
    """How many schedules of up to three faults were tried, if none of them broke an invariant; else 0."""
    from tests.faults.payment import CASES, Case, Trial, trial
    from tests.faults.world import Schedule, World, schedules

    def run(case: Case, done: list[Trial], schedule: Schedule) -> World:
        done.append(trial(schedule, case))
        return done[-1].world

    tried, broken = 0, 0
    started = time.process_time()
    for case in CASES:
        done: list[Trial] = []
        for _ in schedules(partial(run, case, done), faults=3, at_most=SCHEDULES // len(CASES)):
            tried += 1
            broken += bool(done.pop().broken)
    print(f"# {tried} schedules in {time.process_time() - started:.1f} s of CPU, {broken} violations", flush=True)
    return 0 if broken else tried
