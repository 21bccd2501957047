"""What exactly-once costs: the ledger's own latency around a payment; and how many schedules of faults it survives."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

PAYMENTS = 300
SCHEDULES = 20_400
"""Of each operation."""


def measure() -> dict[str, tuple[float, str]]:
    """Milliseconds of the median payment without its connector; schedules without a violation; planted bugs found."""
    from tests.faults.exploring import first_violation
    from tests.faults.planted import BUGS

    tried = _schedules()
    return {
        "ledger_p50_ms": (round(_latency_ms(), 2), "ms"),
        "schedules": (min(tried.values()), "schedules"),
        **{f"schedules_{name}": (number, "schedules") for name, number in tried.items()},
        "planted_bugs_caught": (sum(first_violation(bug) is not None for bug in BUGS), "bugs"),
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


def _schedules() -> dict[str, int]:
    """How many schedules of up to three faults each operation that spends has survived; 0 if it broke an invariant."""
    from tests.faults.exploring import explore
    from tests.faults.spends import SPENDS

    tried: dict[str, int] = {}
    for spend in SPENDS:
        started = time.process_time()
        found = explore(spend, faults=3, at_most=-(-SCHEDULES // len(spend.cases)))
        took_s, faults = time.process_time() - started, ", ".join(str(found.ran[number]) for number in range(4))
        print(
            f"# {spend.name}: {found.ran.total()} schedules ({faults} of 0 to 3 faults) in {len(spend.cases)} cases, "
            f"{len(found.broken)} violations, {took_s:.1f} s of CPU",
            flush=True,
        )
        tried[spend.name] = 0 if found.broken else found.ran.total()
    return tried
