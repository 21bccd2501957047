"""The table of actions."""

import pytest

from isthmus.access import actions
from isthmus.catalogue import operations
from isthmus.failure import Invalid, NotFound


def test_the_table_says_of_every_operation_what_the_operation_says() -> None:
    for operation in operations():
        assert actions.find(operation.name) == operation.action
        assert actions.find(operation.action.name) == operation.action


@pytest.mark.parametrize("name", ["", "nothing", "faults.get_block", "bitcoin.", ".get_block", "a.bitcoin.get_block"])
def test_what_is_no_operation_is_not_found(name: str) -> None:
    with pytest.raises(NotFound):
        actions.find(name)


def test_scopes_that_exist_come_back_in_order_and_once() -> None:
    assert actions.existing(["faults:read", "*", "bitcoin:read", "*"]) == ("*", "bitcoin:read", "faults:read")


def test_each_scope_that_no_operation_has_is_named() -> None:
    with pytest.raises(Invalid) as raised:
        actions.existing(["bitcoin:read", "bitcion:read", "bitcoin:write"])
    assert [error.pointer for error in raised.value.errors] == ["/scopes/1", "/scopes/2"]
