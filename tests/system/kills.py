"""The whole system is killed while it pays, again and again; then client, ledger and chain must tell the same story."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from tests.system.spending import NOTHING, PASSES, Till, kill_all

PAYERS = 6
PAYEES_PER_KILL = 200
LIFE_S = (0.05, 1.5)
LONGEST_WAIT_S = 60
DEFINITE = (201, 402, 409, 410, 422, 429)
UNKNOWN = 202

R = TypeVar("R")


@dataclass
class Killed:
    """What came of it: how much of what, and everything that is not as it must be."""

    figures: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


def killed_while_paying(till: Till, kills: int, seed: int = 4) -> Killed:
    """Kill the system so often, each time while payers wait for their answers, and settle what was under way."""
    till.open(4 * PAYERS)
    chance, found = random.Random(seed), Killed()
    figures, payees = found.figures, iter(till.payees(kills * PAYEES_PER_KILL))
    begun = till.node.rpc("getblockcount")
    for kill in range(kills):
        keys = _killed(till, f"{kill}", payees, chance.uniform(*LIFE_S), figures)
        till.system.up()
        back = keys[::2]  # the other half of the clients never comes back
        _all(lambda key: _ask(till, key, (*DEFINITE, UNKNOWN)), back)
        passes = till.settle()
        _all(lambda key: _ask(till, key, DEFINITE), back)
        figures["passes"] += passes
        figures["most passes"] = max(figures["most passes"], passes)
        till.node.mine(1)
    _compare(till, till.paid(begun), found)
    return found


def _killed(till: Till, name: str, payees: Iterator[str], life_s: float, figures: Counter[str]) -> list[str]:
    """Payers pay until the system is killed under them; the keys they used."""
    keys = list[str]()

    def pay_on(number: int) -> None:
        for payee in payees:
            key = f"{name}-{number}-{len(keys)}"
            keys.append(key)
            if till.pay(key, payee) is None:  # it is dead
                return

    with ThreadPoolExecutor(PAYERS) as pool:
        payers = [pool.submit(pay_on, number) for number in range(PAYERS)]
        time.sleep(life_s)
        asked = list(keys)
        figures["processes killed"] += kill_all(json.loads((till.system.home / "runtime.json").read_text())["pid"])
        for payer in payers:
            payer.result()
    under_way = sum(till.told[key] == [None] for key in asked)
    figures["kills"] += 1
    figures["killed with payments under way"] += under_way > 0
    figures["payments under way"] += under_way
    return keys


def _ask(till: Till, key: str, statuses: tuple[int, ...]) -> None:
    """What a careful client does: the same key, until there is an answer of these."""
    deadline = time.monotonic() + LONGEST_WAIT_S
    while (last := till.told[key][-1]) is None or last.status not in statuses:
        assert time.monotonic() < deadline, f"{key} has no such answer: {last}"
        till.pay(key, till.addresses[key])


def _all(do: Callable[[str], R], keys: Iterable[str]) -> list[R]:
    with ThreadPoolExecutor(PAYERS) as pool:
        return list(pool.map(do, keys))


def _compare(till: Till, paid: Counter[str], found: Killed) -> None:
    """Hold against each other what the clients were told, what the ledger has recorded and what the chain holds."""
    states = dict(zip(till.told, _all(till.state, till.told), strict=True))
    figures = found.figures
    figures |= Counter(f"state {state or 'not recorded'}" for state in states.values())
    figures["payments asked for"] = len(till.told)
    figures["paid twice"] = sum(paid[address] > 1 for address in till.addresses.values())
    figures["told paid, and not paid"] = sum(_told_paid(till, key) > paid[till.addresses[key]] for key in till.told)
    found.violations += [
        f"{key} is {state or 'not recorded'} and was paid {paid[till.addresses[key]]} times"
        for key, state in states.items()
        if not _agree(till, key, state, paid)
    ]
    if (held_back := till.held_back()) != NOTHING:
        found.violations.append(f"still held back: {held_back}")
    if figures["most passes"] > PASSES:
        found.violations.append(f"{figures['most passes']} passes")


def _agree(till: Till, key: str, state: str, paid: Counter[str]) -> bool:
    """Whether the client, the ledger and the chain say the same of one payment."""
    if state not in ("succeeded", "refused", "postponed", ""):
        return False
    return paid[till.addresses[key]] == (state == "succeeded") >= _told_paid(till, key)


def _told_paid(till: Till, key: str) -> bool:
    return any(one is not None and one.status == 201 for one in till.told[key])
