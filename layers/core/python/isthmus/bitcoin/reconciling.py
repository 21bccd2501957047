"""The ledger against the node, both ways: every payment of a wallet and every transaction that the wallet has sent.

The node is read first: what it has sent by then was recorded before, so a payment of this moment is no difference.
Which payments there are say the feed and, for the last minute, the outbox before it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from isthmus import feed, journal
from isthmus.bitcoin.amounts import sat_from_btc
from isthmus.bitcoin.views import undocumented
from isthmus.bitcoin.wallets import wallet_call
from isthmus.failure import NotFound
from isthmus.journal import Head
from isthmus.ledger.records import NOT_RECORDED, aggregate
from isthmus.ports import BitcoinNode
from isthmus.storage.table import MAX_PAGE, Table

MAX_ENTRIES = 5_000
MAX_CHANGES = 20_000
DAY_MS = 86_400_000
EARLIER_MS = 7 * DAY_MS
"""How much longer ago a payment may have been recorded than its transaction was first seen."""

_PAGE = 500
_PREFIX = "ledger/payment/"

Kind = Literal["unrecorded", "missing", "overtaken", "orphaned", "contradicted", "fee"]


@dataclass(frozen=True)
class Sent:
    """A transaction that a wallet has sent, as the node knows it."""

    txid: str
    at_ms: int
    fee_sat: int
    confirmations: int
    given_up: bool

    @property
    def stands(self) -> bool:
        """Whether it is in a block, or waits and no other has taken its place."""
        return self.confirmations > 0 or (self.confirmations == 0 and not self.given_up)


@dataclass(frozen=True)
class Difference:
    """What the one knows and the other does not, or knows otherwise.

    unrecorded: the wallet has sent it, and no payment of the ledger is it. missing: the ledger says that it succeeded,
    and the node does not have it. overtaken: the same, but a block has the payment in whose place it was made, so that
    the recipients were paid once, by that. orphaned: the same, but a block excludes the transaction that it was to pay
    for, so that nothing was spent. contradicted: the ledger says that it was refused, and the node has it. fee: they do
    not agree on what it cost.
    """

    kind: Kind
    txid: str
    payment_id: str | None
    at_ms: int
    mined_txid: str | None = None


def sent(node: BitcoinNode, wallet: str, since_ms: int) -> tuple[dict[str, Sent], bool]:
    """What a wallet has sent since a time, by txid, and whether that is all.

    Raises:
        NotFound: there is no such wallet.
    """
    found: dict[str, Sent] = {}
    for skip in range(0, MAX_ENTRIES, _PAGE):
        entries = wallet_call(node, wallet, "listtransactions", "*", _PAGE, skip, True)
        if not isinstance(entries, list):
            raise undocumented()
        read = [_sent(one) for one in entries if _category(one) == "send"]
        found |= {one.txid: one for one in read if one.at_ms >= since_ms}
        if len(entries) < _PAGE or any(_time_ms(one) < since_ms for one in entries):
            return found, True
    return found, False


def paid(table: Table, tenant: str, since_ms: int) -> tuple[dict[str, Head], bool]:
    """The on-chain payments of a tenant to which something has happened since a time, by txid; whether that is all."""
    waiting = table.query(journal.OUTBOX, limit=MAX_PAGE)
    names = {str(row.item["aggregate"]): None for row in waiting.rows}
    number, complete = feed.end(table), waiting.after is None
    for looked_at in range(0, MAX_CHANGES, MAX_PAGE):
        page = feed.before(table, number + 1 - looked_at, limit=MAX_PAGE)
        names |= {one.aggregate: None for one in page if one.tenant == tenant and one.at_ms >= since_ms}
        if len(page) < MAX_PAGE or page[-1].at_ms < since_ms:
            break
    else:
        complete = False
    return dict(_payments(table, tenant, names)), complete


def compare(
    node: BitcoinNode, wallet: str, seen: Mapping[str, Sent], payments: Mapping[str, Head], since_ms: int
) -> list[Difference]:
    """All differences, oldest first."""
    unrecorded = [
        Difference("unrecorded", one.txid, None, one.at_ms)
        for one in seen.values()
        if one.txid not in payments and one.stands
    ]
    mine = [
        head
        for head in payments.values()
        if head.data["detail"].get("wallet") == wallet and head.data["created_ms"] >= since_ms
    ]
    differing = [found for head in mine if (found := _difference(node, wallet, seen, payments, head)) is not None]
    return sorted([*unrecorded, *differing], key=lambda one: (one.at_ms, one.txid))


def _difference(
    node: BitcoinNode, wallet: str, seen: Mapping[str, Sent], payments: Mapping[str, Head], head: Head
) -> Difference | None:
    txid, detail = head.data["identity"], head.data["detail"]
    one = seen.get(txid) or _asked(node, wallet, txid)
    kind: Kind | None = None
    mined: str | None = None
    if head.state == "succeeded" and not (one and one.stands) and "replaced_by" not in head.data:
        mined = _overtaken_by(node, wallet, payments, head)
        kind = "overtaken" if mined else "orphaned" if _is_orphan(node, wallet, head) else "missing"
    elif head.state == "refused" and one and one.stands:
        kind = "contradicted"
    elif head.state == "succeeded" and one and one.stands and one.fee_sat != detail.get("fee_sat"):
        kind = None if detail.get("known") else "fee"  # what was there already has cost this payment nothing
    return None if kind is None else Difference(kind, txid, head.data["payment_id"], head.data["created_ms"], mined)


def _overtaken_by(node: BitcoinNode, wallet: str, payments: Mapping[str, Head], head: Head) -> str | None:
    """Which of the payments before this one, each made in the place of the one before it, a block has."""
    before: str | None = head.data["detail"].get("replaces_txid")
    while before is not None:
        one = _asked(node, wallet, before)
        if one is not None and one.confirmations > 0:
            return before
        before = payments[before].data["detail"].get("replaces_txid") if before in payments else None
    return None


def _is_orphan(node: BitcoinNode, wallet: str, head: Head) -> bool:
    """Whether it is the child of a transaction that a block excludes."""
    parent = head.data["detail"].get("parent_txid")
    one = _asked(node, wallet, parent) if parent else None
    return one is not None and one.confirmations < 0


def _asked(node: BitcoinNode, wallet: str, txid: str) -> Sent | None:
    try:
        reply = wallet_call(node, wallet, "gettransaction", txid, True)
    except NotFound:
        return None
    return _sent(reply)


def _payments(table: Table, tenant: str, names: Iterable[str]) -> Iterator[tuple[str, Head]]:
    """The payments of these names, and those in whose place they were made."""
    ahead, looked_at = list(names), set[str]()
    while ahead:
        name = ahead.pop()
        head = journal.load(table, name) if name.startswith(_PREFIX) and name not in looked_at else None
        looked_at.add(name)
        if head is None or head.state in NOT_RECORDED or head.data["tenant"] != tenant:
            continue
        if head.data["connector"] == "bitcoin" and "identity" in head.data:
            yield head.data["identity"], head
        if "replaces" in head.data:
            ahead.append(aggregate(head.data["replaces"]))


def _sent(entry: Any) -> Sent:
    try:
        return Sent(
            txid=str(entry["txid"]),
            at_ms=_time_ms(entry),
            fee_sat=-sat_from_btc(entry["fee"]) if "fee" in entry else 0,
            confirmations=int(entry["confirmations"]),
            given_up="replaced_by_txid" in entry or any(one.get("abandoned") is True for one in _parts(entry)),
        )
    except (LookupError, TypeError, ValueError):
        raise undocumented() from None


def _parts(entry: Any) -> list[Any]:
    """What says whether it was abandoned: the entry of a list, or the details of a single answer."""
    return [entry, *entry.get("details", [])]


def _category(entry: Any) -> str:
    try:
        return str(entry["category"])
    except (LookupError, TypeError):
        raise undocumented() from None


def _time_ms(entry: Any) -> int:
    try:
        return int(entry["time"]) * 1000
    except (LookupError, TypeError, ValueError):
        raise undocumented() from None
