"""What has changed since, for whoever remembers where it was."""

from functions.bitcoin.send_payment import send_payment
from functions.state.list_changes import list_changes
from isthmus import feed
from tests.faults.calls import SmallWorld
from tests.operations.ledger.test_get_payment import WANTED


def relay(here: SmallWorld) -> None:
    feed.relay(here.table, lambda: True)


def test_before_anything_has_happened_there_is_nothing(here: SmallWorld) -> None:
    assert here.call(list_changes, {})[1] == {"changes": [], "next": 0, "more": False}


def test_who_goes_on_from_next_sees_everything_once(here: SmallWorld, paid: str) -> None:
    relay(here)
    _, first, _ = here.call(list_changes, {"limit": 1})
    _, second, _ = here.call(list_changes, {"limit": 1, "after": first["next"]})
    _, third, _ = here.call(list_changes, {"limit": 1, "after": second["next"]})

    topics = [one["topic"] for page in (first, second, third) for one in page["changes"]]
    assert topics == ["ledger.payment.prepared", "ledger.payment.succeeded"]
    assert [page["more"] for page in (first, second, third)] == [True, True, False]
    assert third["next"] == 2
    assert [one["aggregate"] for one in first["changes"]] == [paid]


def test_a_tenant_sees_its_own_changes_and_goes_past_the_others(here: SmallWorld, paid: str) -> None:
    here.call(send_payment, WANTED, caller=here.owner("other"), idempotency_key="two")
    relay(here)
    _, mine, _ = here.call(list_changes, {})
    _, theirs, _ = here.call(list_changes, {}, caller=here.owner("other"))

    assert {one["aggregate"] for one in mine["changes"]} == {paid}
    assert paid not in {one["aggregate"] for one in theirs["changes"]}
    assert mine["next"] == theirs["next"] == feed.end(here.table)
