"""A Table and a plain dictionary go through the same random history and never differ."""

import itertools
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.failure import Conflict
from isthmus.storage.table import Absent, Check, Condition, Delete, Equals, Item, Put, Table, Write

KEYS = st.text(alphabet="ab!/é\uffff😀\U0010ffff", min_size=1, max_size=3)
SCALARS = st.none() | st.booleans() | st.integers(-(10**38) + 1, 10**38 - 1) | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=3), inner, max_size=3),
    max_leaves=8,
)
ITEMS = st.fixed_dictionaries({"state": st.sampled_from(["open", "closed", 1, 2]), "value": VALUES})
CONDITIONS = (
    st.none() | st.just(Absent()) | st.builds(Equals, st.just("state"), st.sampled_from(["open", "closed", 1, 2]))
)
PUTS = st.builds(Put, st.just(""), KEYS, ITEMS, CONDITIONS)
DELETES = st.builds(Delete, st.just(""), KEYS, CONDITIONS)
CHECKS = st.builds(Check, st.just(""), KEYS, CONDITIONS.filter(bool))
TRANSACTIONS = st.lists(PUTS | DELETES | CHECKS, min_size=1, max_size=5, unique_by=lambda write: write.sk)
QUERIES = st.fixed_dictionaries(
    {
        "prefix": st.just("") | KEYS,
        "after": st.none() | KEYS,
        "limit": st.integers(1, 6),
        "reverse": st.booleans(),
    }
)
STEPS = st.lists(PUTS | DELETES | TRANSACTIONS | QUERIES | KEYS, min_size=1, max_size=30)

numbers = itertools.count()


class Model:
    """What a Table says it is, for one partition."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}

    def holds(self, sk: str, when: Condition | None) -> bool:
        if when is None:
            return True
        if isinstance(when, Absent):
            return sk not in self.items
        return sk in self.items and self.items[sk]["state"] == when.value

    def transact(self, writes: Sequence[Write]) -> bool:
        if not all(self.holds(write.sk, write.when) for write in writes):
            return False
        for write in writes:
            if isinstance(write, Put):
                self.items[write.sk] = write.item
            elif isinstance(write, Delete):
                self.items.pop(write.sk, None)
        return True

    def query(
        self, prefix: str, after: str | None, limit: int, *, reverse: bool
    ) -> tuple[list[tuple[str, Item]], bool]:
        keys = sorted((key for key in self.items if key.startswith(prefix)), key=str.encode, reverse=reverse)
        start = None if after is None else after.encode()
        left = [key for key in keys if start is None or (key.encode() < start if reverse else key.encode() > start)]
        return [(key, self.items[key]) for key in left[:limit]], len(left) > limit


def write_to(table: Table, pk: str, writes: Sequence[Write]) -> bool:
    """Whether the table accepts the writes; a single put or delete goes by its own method."""
    mine: list[Write] = [type(write)(**(vars(write) | {"pk": pk})) for write in writes]
    try:
        match mine:
            case [Put(_, sk, item, when)]:
                table.put(pk, sk, item, when=when)
            case [Delete(_, sk, when)]:
                table.delete(pk, sk, when=when)
            case _:
                table.transact(mine)
    except Conflict:
        return False
    return True


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_a_table_and_a_dictionary_never_differ(table: Table, steps: list[Any]) -> None:
    model, pk = Model(), f"example {next(numbers)}"
    for step in steps:
        match step:
            case str():
                assert table.get(pk, step) == model.items.get(step)
            case dict():
                page = table.query(pk, **step)
                rows = [(row.sk, row.item) for row in page.rows]
                assert (rows, page.after is not None) == model.query(**step)
                assert page.after in (None, rows[-1][0] if rows else None)
            case _:
                writes = step if isinstance(step, list) else [step]
                assert write_to(table, pk, writes) == model.transact(writes)
    assert [(row.sk, row.item) for row in table.query(pk, limit=1000).rows] == model.query(
        "", None, 1000, reverse=False
    )[0]
