"""Payments under every schedule of up to two faults: whatever is lost, late, doubled or crashes, money moves once."""

import pytest

from tests.faults.payment import CASES, Case, Trial, trial
from tests.faults.world import Schedule, World, schedules

EXPECTED_CALLS = {
    *("get", "query", "transact", "getblockchaininfo", "walletcreatefundedpsbt", "walletprocesspsbt", "finalizepsbt"),
    *("decoderawtransaction", "testmempoolaccept", "sendrawtransaction", "gettransaction"),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_schedule_of_two_faults_breaks_an_invariant(case: Case) -> None:
    trials: list[Trial] = []

    def run(schedule: Schedule) -> World:
        trials.append(trial(schedule, case))
        return trials[-1].world

    broken = [(dict(schedule), trials[-1].broken) for schedule, _ in schedules(run, faults=2, at_most=1_200)]

    assert [one for one in broken if one[1]] == []
    assert len(trials) == 1_200


def test_every_call_that_a_payment_makes_is_tried_with_every_fault_it_can_have() -> None:
    tried: set[tuple[str, str]] = set()
    possible: set[tuple[str, str]] = set()
    for case in CASES:
        for schedule, world in schedules(
            lambda schedule, case=case: trial(schedule, case).world, faults=1, at_most=500
        ):
            names = [name.split()[0] for name, _ in world.calls]
            tried |= {(names[index], kind) for index, kind in schedule.items()}
            possible |= {(name.split()[0], kind) for name, kinds in world.calls for kind in kinds if not schedule}

    assert possible <= tried
    assert {name for name, _ in tried} >= EXPECTED_CALLS


def _world(case: Case, schedule: Schedule) -> World:
    return trial(schedule, case).world


def test_without_a_fault_the_first_answer_is_success() -> None:
    run = trial({}, Case())
    assert (run.told, len(run.node.sent)) == (["succeeded"], 1)


def test_a_refusal_of_the_first_sending_is_final() -> None:
    run = trial({}, Case(refuses=1))
    assert (run.told, run.node.effects) == (["refused"], [])
