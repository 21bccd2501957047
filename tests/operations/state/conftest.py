"""A small world with payments of two tenants, and somebody who listens to the bus."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from functions.bitcoin.send_payment import send_payment
from isthmus import wiring
from isthmus.ports import Bus, News
from tests.faults.calls import SmallWorld, small_world
from tests.operations.ledger.test_get_payment import WANTED


@dataclass
class HeardBus:
    """A bus that remembers what it was told."""

    heard: list[News] = field(default_factory=list)

    def publish(self, news: Sequence[News]) -> None:
        self.heard.extend(news)


@pytest.fixture
def bus() -> HeardBus:
    return HeardBus()


@pytest.fixture
def here(bus: HeardBus) -> Iterator[SmallWorld]:
    with small_world() as made, wiring.replaced({Bus: bus}):
        yield made


@pytest.fixture
def paid(here: SmallWorld) -> str:
    """The aggregate of a payment of the main tenant."""
    sent = here.call(send_payment, WANTED, idempotency_key="one")[1]
    return f"ledger/payment/{sent['payment_id']}"
