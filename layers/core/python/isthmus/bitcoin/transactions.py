"""A transaction with what it spends: its fee from its own inputs, and where it stands."""

from collections.abc import Mapping, Sequence
from typing import Any

from isthmus.bitcoin import codes
from isthmus.bitcoin.amounts import sat_from_btc
from isthmus.bitcoin.blocks import MerkleProof, merkle_proof
from isthmus.bitcoin.views import hash_text, undocumented, whole
from isthmus.failure import NotFound, Precondition
from isthmus.ports import BitcoinNode


def transaction(node: BitcoinNode, txid: str, block_hash: str | None) -> Mapping[str, Any]:
    """`getrawtransaction` at verbosity 2: with the outputs it spends, where the node knows them.

    Raises:
        NotFound: neither the mempool nor, without a transaction index, the named block has it.
        Integrity: the node answered with another transaction.
    """
    found = node.call("getrawtransaction", txid, 2, *(() if block_hash is None else (block_hash,)))
    if not isinstance(found, dict) or not isinstance(found.get("vin"), list) or not isinstance(found.get("vout"), list):
        raise undocumented()
    if whole(found.get("vsize")) == 0:
        raise undocumented()
    if found.get("txid") != txid:
        raise codes.failure(codes.WRONG_TRANSACTION)
    reply: Mapping[str, Any] = found
    return reply


def fee_sat(node: BitcoinNode, reply: Mapping[str, Any]) -> int | None:
    """What the transaction pays in satoshi: inputs less outputs, or for one that waits what the mempool says.

    None for a coinbase, and where the node cannot say what the inputs were worth.
    """
    try:
        spent, made = _spent_sat(reply["vin"]), sum(sat_from_btc(one["value"]) for one in reply["vout"])
        if spent is not None:
            return whole(spent - made)
        if "blockhash" in reply or _is_coinbase(reply["vin"]):
            return None
        return sat_from_btc(node.call("getmempoolentry", reply["txid"])["fees"]["base"])
    except NotFound:  # it was mined or replaced between two questions
        return None
    except (LookupError, TypeError, ValueError):
        raise undocumented() from None


def confirmed_height(node: BitcoinNode, reply: Mapping[str, Any]) -> int | None:
    """The height of the block the transaction is in, or None while it waits."""
    if "blockhash" not in reply:
        return None
    header = node.call("getblockheader", reply["blockhash"])
    return whole(header.get("height") if isinstance(header, dict) else None)


def proof(node: BitcoinNode, reply: Mapping[str, Any]) -> MerkleProof:
    """That the transaction is in its block.

    Raises:
        Precondition: it is not in a block yet.
        Integrity: the node's own data does not prove it.
    """
    if "blockhash" not in reply:
        raise Precondition(
            "The transaction waits in the mempool, so there is nothing to prove yet.",
            next_step="Ask again when it has a confirmation.",
            code="bitcoin/unconfirmed",
        )
    return merkle_proof(node, reply["txid"], hash_text(reply["blockhash"]))


def _spent_sat(inputs: Sequence[Mapping[str, Any]]) -> int | None:
    if not all("prevout" in one for one in inputs):
        return None
    return sum(sat_from_btc(one["prevout"]["value"]) for one in inputs)


def _is_coinbase(inputs: Sequence[Mapping[str, Any]]) -> bool:
    return any("coinbase" in one for one in inputs)
