"""Follow what becomes of the transactions of all wallets."""

from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.following import follow
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
    near, found = within(node), 0
    wallets = all_wallets(near)
    for tenant, name, wallet in wallets:
        found += follow(table, near, tenant, name, wallet, clock.now_ms())
    return Followed(wallets=len(wallets), events=found)
