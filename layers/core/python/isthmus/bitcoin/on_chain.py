"""What became of a payment's transaction in the chain."""

from isthmus import journal
from isthmus.bitcoin import following
from isthmus.bitcoin.wallets import node_wallet
from isthmus.journal import Head
from isthmus.storage.table import Table


def on_chain(table: Table, payment: Head) -> Head | None:
    """What is known of the transaction of a payment from a wallet, once the wallet was followed."""
    tenant, detail = payment.data["tenant"], payment.data.get("detail", {})
    wallet, own = detail.get("wallet") or "", node_wallet(tenant, "")
    if not wallet.startswith(own) or "txid" not in detail:
        return None
    return journal.load(table, following.aggregate(tenant, wallet.removeprefix(own), detail["txid"]))
