"""Where payments are made in these tests."""

import pytest

from tests.core.ledger.desk import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()
