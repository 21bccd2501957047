"""What a wallet holds."""

from pydantic import Field

from isthmus.bitcoin.coins import held
from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.payments import CONNECTOR
from isthmus.bitcoin.wallets import node_wallet
from isthmus.bitcoin.wanted import WalletName
from isthmus.failure import NotFound, Precondition, Unavailable
from isthmus.fields import Request, Response, Sat
from isthmus.ledger.records import leased
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode, Caller, Table


class GetBalance(Request):
    """Of which wallet."""

    wallet: WalletName


class Balance(Response):
    """What it holds; confirmed, pending and immature have nothing in common."""

    confirmed_sat: Sat = Field(description="in blocks, and not spent by what waits")
    pending_sat: Sat = Field(description="in transactions that wait, the wallet's own change included")
    immature_sat: Sat = Field(description="mined less than a hundred blocks ago")
    leased_sat: Sat = Field(description="of confirmed and pending, in coins that unsettled payments hold")


@operation("GET /v1/bitcoin/wallets/{wallet}/balance", effect=Effect.READ, errors=(NotFound, Precondition, Unavailable))
def get_balance(request: GetBalance, caller: Caller, node: BitcoinNode, table: Table) -> Balance:
    """The balance of a wallet of the caller's tenant."""
    found = held(within(node), node_wallet(caller.tenant, request.wallet), leased(table, CONNECTOR))
    return Balance.model_validate(found, from_attributes=True)
