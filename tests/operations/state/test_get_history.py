"""What happened to an aggregate, page by page."""

from functions.state.get_history import get_history
from tests.faults.calls import SmallWorld


def test_events_come_in_order_each_with_the_hash_of_the_one_before(here: SmallWorld, paid: str) -> None:
    status, body, _ = here.call(get_history, {"aggregate": paid})
    first, second = body["events"]

    assert (status, body["next"]) == (200, None)
    assert [first["type"], second["type"]] == ["prepared", "succeeded"]
    assert (first["previous"], second["previous"]) == ("", first["hash"])
    assert "payload" not in first["data"]


def test_a_page_says_where_the_next_begins(here: SmallWorld, paid: str) -> None:
    _, page, _ = here.call(get_history, {"aggregate": paid, "limit": 1})
    _, rest, _ = here.call(get_history, {"aggregate": paid, "limit": 1, "after": page["next"]})

    assert ([one["version"] for one in page["events"]], page["next"]) == ([1], 1)
    assert ([one["version"] for one in rest["events"]], rest["next"]) == ([2], None)


def test_another_tenants_history_is_answered_like_none(here: SmallWorld, paid: str) -> None:
    theirs = here.call(get_history, {"aggregate": paid}, caller=here.owner("other"))
    nobodys = here.call(get_history, {"aggregate": "ledger/payment/none"})

    assert theirs[0] == 404
    assert theirs[1] == nobodys[1]
