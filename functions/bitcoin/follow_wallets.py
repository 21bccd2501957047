"""Follow what becomes of the transactions of all wallets."""

from functools import partial

from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.following import each
from isthmus.bitcoin.listing import follow
from isthmus.bitcoin.wallets import all_wallets
from isthmus.failure import Unavailable
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode, Clock, Table


class FollowWallets(Request):
    """Nothing to ask."""


class Followed(Response):
    """How many wallets were looked at, and how many events that made."""

    wallets: int
    events: int


@operation(effect=Effect.CHANGE, schedule="rate(1 minute)", errors=(Unavailable,))
def follow_wallets(request: FollowWallets, node: BitcoinNode, table: Table, clock: Clock) -> Followed:
    """Write down what was paid, confirmed, settled or taken back by a reorganisation since the last time."""
    near, now_ms = within(node), clock.now_ms()
    wallets = all_wallets(near)
    made = each(partial(follow, table, near, tenant, name, wallet, now_ms) for tenant, name, wallet in wallets)
    return Followed(wallets=len(wallets), events=made)
