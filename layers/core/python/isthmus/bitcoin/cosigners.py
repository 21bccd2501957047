"""Signers that are elsewhere: what they need to know of a transaction, and what they give back, put together.

Source: BIP 174 (PSBT). A device that signs for one key of several tells change from somebody else's output, and the
other signers' keys from a stranger's, by their extended public keys, which the node leaves out.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from isthmus.bitcoin.psbts import MAX_PSBT, InputState, decode, finalized
from isthmus.bitcoin.spent import compact_size
from isthmus.bitcoin.views import undocumented
from isthmus.bitcoin.wallets import wallet_call
from isthmus.failure import FieldError, Invalid
from isthmus.ports import BitcoinNode
from isthmus.request import MAX_FIELD_ERRORS

MAX_PSBTS = 16

_EXTENDED_KEY = re.compile(r"\[([0-9a-f]{8})((?:/[0-9]{1,10}[h']?){0,20})\]([1-9A-HJ-NP-Za-km-z]{107,113})")
"""Of a descriptor (BIP 380): the master key's fingerprint, the path from it, and the extended public key there."""

_GLOBAL_XPUB = b"\x01"
_HARDENED = 1 << 31


def joined(node: BitcoinNode, psbts: Sequence[str]) -> str:
    """The transaction that PSBTs with the signatures of different signers make together, hexadecimal.

    Raises:
        Invalid: one of them is no PSBT or of another transaction, or there are signatures that none of them has.
    """
    _check_same(node, psbts)
    together = node.call("combinepsbt", list(psbts))
    if not isinstance(together, str):
        raise undocumented()
    raw = finalized(node, together)
    if raw is None:
        raise _incomplete([*enumerate(decode(node, together).inputs)])
    return raw


def for_signers(node: BitcoinNode, wallet: str, psbt: str) -> str:
    """A PSBT of a wallet with the extended public keys of those who sign together, where its inputs need several.

    Raises:
        Invalid: it is larger than it could be sent back.
    """
    psbt = _with_extended_keys(node, wallet, psbt)
    if len(psbt) > MAX_PSBT:
        raise Invalid(
            "The transactions that the coins come from are so large that no operation would take the PSBT back.",
            next_step="Name other coins, or pay less at once.",
            code="bitcoin/psbt-too-large",
        )
    return psbt


def _with_extended_keys(node: BitcoinNode, wallet: str, psbt: str) -> str:
    told = node.call("decodepsbt", psbt)
    try:
        paths = [path for one in told["inputs"] for path in _of_several(one)]
        if not paths:
            return psbt
        known = wallet_call(node, wallet, "listdescriptors")["descriptors"]
        keys = {key for one in known for key in _EXTENDED_KEY.findall(one["desc"]) if _leads_to(key, paths)}
    except (AttributeError, LookupError, TypeError):
        raise undocumented() from None
    fields = b"".join(field for key in sorted(keys) for field in _global_xpub(*key))
    raw = base64.b64decode(psbt)
    after = _after_transaction(raw)
    return base64.b64encode(raw[:after] + fields + raw[after:]).decode()


def _check_same(node: BitcoinNode, psbts: Sequence[str]) -> None:
    txids: list[str] = []
    errors = []
    for index, one in enumerate(psbts):
        try:
            txids.append(node.call("decodepsbt", one)["tx"]["txid"])
        except Invalid:
            errors.append(FieldError(f"/psbts/{index}", "is no PSBT of version 0 (BIP 174)"))
        except (LookupError, TypeError):
            raise undocumented() from None
        else:
            if txids[-1] != txids[0]:
                errors.append(FieldError(f"/psbts/{index}", "is of another transaction than the first one"))
    if errors:
        raise Invalid(
            f"{len(errors)} of the PSBTs cannot be put together with the others.",
            next_step="Send what the signers of one transaction gave back, whole and in base64.",
            code="bitcoin/psbts",
            errors=tuple(errors),
        )


def _incomplete(inputs: Sequence[tuple[int, InputState]]) -> Invalid:
    lacking = [FieldError("/psbts", f"input {place} {_lack(one)}") for place, one in inputs if not one.final]
    return Invalid(
        f"{len(lacking)} input(s) of the transaction are not signed by all who have to; nothing was sent.",
        next_step="Have the others sign it as well, and send what they give back beside these.",
        code="bitcoin/psbt-incomplete",
        errors=tuple(lacking[:MAX_FIELD_ERRORS]),
    )


def _lack(one: InputState) -> str:
    if one.value_sat is None:
        return "does not say what it spends; send the PSBT that was built beside the signed ones"
    if one.missing_signatures:
        return f"lacks signatures; there is none by the keys with the hashes {', '.join(one.missing_signatures)}"
    return "is not signed, or not by the key that it needs"


def _of_several(part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Fingerprint and path of each key of an input that has several."""
    for name in ("bip32_derivs", "taproot_bip32_derivs"):
        keys = part.get(name, [])
        yield from ((one["master_fingerprint"], one["path"]) for one in keys if len(keys) > 1)


def _leads_to(key: tuple[str, str, str], paths: Sequence[tuple[str, str]]) -> bool:
    fingerprint, origin, _ = key
    start = f"m{origin}/".replace("'", "h")
    return any(one == fingerprint and path.replace("'", "h").startswith(start) for one, path in paths)


def _global_xpub(fingerprint: str, origin: str, extended: str) -> Iterator[bytes]:
    """The field, unless the key says itself that its path is another one: signers take that for an attack."""
    import base58

    key, path = base58.b58decode_check(extended), [_index(step) for step in origin.split("/")[1:]]
    if key[4] == len(path):
        steps = bytes.fromhex(fingerprint) + b"".join(step.to_bytes(4, "little") for step in path)
        yield compact_size(1 + len(key)) + _GLOBAL_XPUB + key + compact_size(len(steps)) + steps


def _index(step: str) -> int:
    number = int(step.rstrip("h'"))
    return number if step.isdecimal() else number | _HARDENED


def _after_transaction(raw: bytes) -> int:
    """Where the first field of a PSBT ends, the unsigned transaction: 5 bytes magic, then 01 00."""
    first = raw[7]
    start, size = {0xFD: (8, 2), 0xFE: (8, 4)}.get(first, (7, 1))
    return start + size + int.from_bytes(raw[start : start + size], "little")
