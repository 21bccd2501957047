"""Partially signed transactions: what one spends, pays and lacks, as far as itself says; and on to a final one.

Source: BIP 174. The values of inputs stand in the PSBT itself. Where it has the whole transaction that an input spends
from, the node has compared its id; where it has the spent output only, whoever made the PSBT may have lied about it,
which signatures of Taproot commit to and older ones do not.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isthmus.bitcoin.amounts import sat_from_btc
from isthmus.bitcoin.devices import not_signed, only_device
from isthmus.bitcoin.views import SCRIPT_TYPES, impossible_amount, outputs, undocumented
from isthmus.bitcoin.wallets import has_device, wallet_call
from isthmus.failure import Failure
from isthmus.ports import BitcoinNode

MAX_PSBT = 200_000
"""Characters of one in base64."""

_KEY_HASH = re.compile(r"[0-9a-f]{1,64}")
ROLES = frozenset({"creator", "updater", "signer", "finalizer", "extractor"})


@dataclass(frozen=True)
class InputState:
    """One input; null where the PSBT does not say."""

    txid: str
    vout: int
    sequence: int
    value_sat: int | None
    script_type: str | None
    address: str | None
    proven: bool
    sighash: str | None
    final: bool
    next: str | None
    missing_signatures: list[str]


@dataclass(frozen=True)
class State:
    """A whole PSBT; `valid` is False when it contradicts itself."""

    txid: str
    inputs: list[InputState]
    outputs: list[Mapping[str, Any]]
    valid: bool
    next: str | None
    fee_sat: int | None
    estimated_vsize: int | None


def decode(node: BitcoinNode, psbt: str) -> State:
    """Read a PSBT of version 0.

    Raises:
        Invalid: it is none, or speaks of an amount that there cannot be.
    """
    told, analysis = node.call("decodepsbt", psbt), node.call("analyzepsbt", psbt)
    try:
        outputs(told["tx"]["vout"], "/psbt")
        judged = analysis.get("inputs") or [{}] * len(told["inputs"])
        if not len(told["tx"]["vin"]) == len(told["inputs"]) == len(judged):
            raise undocumented()
        inputs = [_input(*one) for one in zip(told["tx"]["vin"], told["inputs"], judged, strict=True)]
        return State(
            txid=str(told["tx"]["txid"]),
            inputs=inputs,
            outputs=list(told["tx"]["vout"]),
            valid="error" not in analysis,
            next=_role(analysis),
            fee_sat=_fee(told, analysis),
            estimated_vsize=analysis.get("estimated_vsize"),
        )
    except ValueError:
        raise impossible_amount("/psbt") from None
    except (AttributeError, LookupError, TypeError):
        raise undocumented() from None


def updated(node: BitcoinNode, wallet: str, psbt: str) -> str:
    """A PSBT with what a wallet knows of its coins and keys, without signatures.

    Raises:
        Invalid: it is no PSBT.
    """
    return _psbt_of(wallet_call(node, wallet, "walletprocesspsbt", psbt, False))


def signed(node: BitcoinNode, wallet: str, psbt: str) -> str:
    """A PSBT with the signatures of a wallet, or of the device that signs for it.

    Raises:
        Invalid: it is no PSBT.
        Precondition: the wallet is locked; its device is not there, or did not answer in time.
        Refused: the device did not sign.
    """
    on_device = has_device(node, wallet)
    if on_device:
        only_device(node)
    try:
        return _psbt_of(wallet_call(node, wallet, "walletprocesspsbt", psbt, True))
    except Failure as failure:
        raise (not_signed(failure) if on_device else failure) from None


def finalized(node: BitcoinNode, psbt: str) -> str | None:
    """The transaction of a PSBT that has all signatures, hexadecimal; None when some are missing."""
    reply = node.call("finalizepsbt", psbt)
    if not isinstance(reply, dict) or not isinstance(reply.get("complete"), bool):
        raise undocumented()
    return str(reply.get("hex")) if reply["complete"] else None


def _psbt_of(reply: Any) -> str:
    if not isinstance(reply, dict) or not isinstance(reply.get("psbt"), str):
        raise undocumented()
    return str(reply["psbt"])


def _input(spends: Mapping[str, Any], state: Mapping[str, Any], judged: Mapping[str, Any]) -> InputState:
    vout, whole = int(spends["vout"]), state.get("non_witness_utxo")
    spent = state.get("witness_utxo") if whole is None else whole["vout"][vout]
    script = {} if spent is None else spent["scriptPubKey"]
    return InputState(
        txid=str(spends["txid"]),
        vout=vout,
        sequence=int(spends["sequence"]),
        value_sat=None if spent is None else sat_from_btc(spent["amount"] if "amount" in spent else spent["value"]),
        script_type=SCRIPT_TYPES.get(script["type"], "other") if script else None,
        address=script.get("address"),
        proven=whole is not None,
        sighash=state.get("sighash"),
        final="final_scriptSig" in state or "final_scriptwitness" in state,
        next=_role(judged),
        missing_signatures=[_key_hash(one) for one in judged.get("missing", {}).get("signatures", [])],
    )


def _key_hash(told: str) -> str:
    if not _KEY_HASH.fullmatch(told):
        raise undocumented()
    return told


def _fee(told: Mapping[str, Any], analysis: Mapping[str, Any]) -> int | None:
    fee = analysis.get("fee", told.get("fee"))
    return None if fee is None else sat_from_btc(fee)


def _role(judged: Mapping[str, Any]) -> str | None:
    role = judged.get("next")
    return role if role in ROLES else None
