"""Follow what becomes of what is watched."""

from collections.abc import Callable, Iterator
from functools import partial

from pydantic import Field

from isthmus.bitcoin import watched_scripts, watched_txids
from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.following import each
from isthmus.bitcoin.wallets import watching_wallets
from isthmus.failure import Unavailable
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode, Clock, Table

WORKING_MS = 20_000
MINUTE_MS = 60_000


class FollowWatches(Request):
    """Nothing to ask."""


class FollowedWatches(Response):
    """What was looked at, and how many events that made."""

    tenants: int = Field(description="whose addresses and descriptors are watched")
    events: int


@operation(effect=Effect.CHANGE, schedule="rate(1 minute)", errors=(Unavailable,))
def follow_watches(request: FollowWatches, node: BitcoinNode, table: Table, clock: Clock) -> FollowedWatches:
    """Write down what has happened to watched txids, addresses and descriptors since the last time."""
    near, now_ms = within(node), clock.now_ms()
    tenants = watching_wallets(near)
    first = now_ms // MINUTE_MS % max(1, len(tenants))  # each minute another one, should the time not be enough for all

    def more() -> bool:
        return clock.now_ms() < now_ms + WORKING_MS

    def runs() -> Iterator[Callable[[], int]]:
        yield partial(watched_txids.follow, table, near, now_ms, more)
        for tenant, wallet in (*tenants[first:], *tenants[:first]):
            if more():
                yield partial(watched_scripts.follow, table, near, tenant, wallet, now_ms, more)

    return FollowedWatches(tenants=len(tenants), events=each(runs()))
