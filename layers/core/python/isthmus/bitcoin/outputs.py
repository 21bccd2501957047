"""Addresses as the node judges them, and the unspent outputs that pay to one."""

import contextlib
import re
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, Field

from isthmus.bitcoin import addresses
from isthmus.bitcoin.addresses import Decoded, Reason
from isthmus.bitcoin.views import ChainName, read, undocumented
from isthmus.failure import Failure, FieldError, Integrity, Invalid, Unavailable
from isthmus.ports import BitcoinNode

SCAN_DEADLINE_S = 20.0
CONTROL_DEADLINE_S = 3.0
_ADDRESS = re.compile(r"[0-9A-Za-z]{14,100}")


class _Chain(BaseModel):
    chain: ChainName


class _Verdict(BaseModel):
    isvalid: bool
    script_pubkey: str | None = Field(None, validation_alias="scriptPubKey")


@dataclass(frozen=True)
class Judged:
    """An address: the node's verdict, our reason when it is bad, and what its form says."""

    valid: bool
    reason: Reason | None
    chain: str
    networks: list[str] = field(default_factory=list)
    script_type: str | None = None
    script_pubkey: str | None = None
    is_script: bool | None = None
    witness_version: int | None = None
    witness_program: str | None = None


def judge(node: BitcoinNode, address: str) -> Judged:
    """The node decides whether the address is valid; our own reading says why not, since the node's text is not shown.

    Raises:
        Integrity: the node takes the address for another output script than its form says.
    """
    chain = read(_Chain, node.call("getblockchaininfo")).chain
    verdict = read(_Verdict, node.call("validateaddress", address))
    decoded = addresses.decode(address)
    if not isinstance(decoded, Decoded):
        return Judged(verdict.isvalid, None if verdict.isvalid else decoded, chain)
    if verdict.isvalid and verdict.script_pubkey != decoded.script_pubkey.hex():
        raise Integrity(
            "The node takes the address for another output script than its form says.",
            next_step="Do not pay to this address before you know why; compare with another node.",
            code="bitcoin/address-script",
        )
    refused: Reason = "refused-by-node" if chain in decoded.networks else "wrong-network"
    witness = decoded.witness_version is not None
    return Judged(
        valid=verdict.isvalid,
        reason=None if verdict.isvalid else refused,
        chain=chain,
        networks=list(decoded.networks),
        script_type=decoded.script_type,
        script_pubkey=decoded.script_pubkey.hex(),
        is_script=decoded.script_type in ("p2sh", "p2wsh"),
        witness_version=decoded.witness_version,
        witness_program=decoded.script_pubkey[2:].hex() if witness else None,
    )


class _Descriptor(BaseModel):
    isrange: bool
    hasprivatekeys: bool


def scan_object(node: BitcoinNode, address: str | None, descriptor: str | None, range_end: int) -> Any:
    """What `scantxoutset` is to look for, checked before the node starts to work.

    Raises:
        Invalid: both or neither are given, the node refuses it, or it holds private keys.
    """
    if (address is None) == (descriptor is None):
        raise _unusable("Give exactly one of address and descriptor.", "/address", "/descriptor")
    if address is not None and not _ADDRESS.fullmatch(address):
        raise _unusable("The address has characters or a length that no address has.", "/address")
    wanted = f"addr({address})" if descriptor is None else descriptor
    described = read(_Descriptor, node.call("getdescriptorinfo", wanted, deadline_s=CONTROL_DEADLINE_S))
    if described.hasprivatekeys:
        raise _unusable("The descriptor holds private keys, which have no business here.", "/descriptor")
    return {"desc": wanted, "range": range_end} if described.isrange else wanted


def scan(node: BitcoinNode, wanted: Any) -> dict[str, Any]:
    """The node's answer to one scan of all unspent outputs; one that takes too long is stopped on the node too.

    Raises:
        Unavailable: another scan is running, or this one took longer than its deadline.
        Invalid: the node refuses the descriptor.
    """
    try:
        found = node.call("scantxoutset", "start", [wanted], deadline_s=SCAN_DEADLINE_S)
    except Unavailable as failure:
        if failure.code != "bitcoin/timeout":
            raise
        with contextlib.suppress(Failure):  # the deadline is what the caller must know; a scan that goes on ends itself
            node.call("scantxoutset", "abort", deadline_s=CONTROL_DEADLINE_S)
        raise _too_slow() from None
    if not isinstance(found, dict) or found.get("success") is not True or not isinstance(found.get("unspents"), list):
        raise undocumented()
    return found


def _unusable(detail: str, *pointers: str) -> Invalid:
    return Invalid(
        detail,
        next_step="Give an address of the node's network, or a public output descriptor (BIP 380).",
        code="bitcoin/scan-object",
        errors=tuple(FieldError(pointer, detail) for pointer in pointers),
    )


def _too_slow() -> Unavailable:
    return Unavailable(
        f"The scan took longer than {SCAN_DEADLINE_S:.0f} seconds and was stopped.",
        next_step="Repeat when the node has little else to do, or watch the address with a wallet or an index instead.",
        code="bitcoin/scan-too-slow",
    )
