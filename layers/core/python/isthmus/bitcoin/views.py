"""From a node's JSON to answers: each field says where it comes from, and what does not fit is refused."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import AliasPath, BaseModel, BeforeValidator, Field, ValidationError

from isthmus.bitcoin.amounts import MAX_BTC, SatFromBtc
from isthmus.bitcoin.codes import UNDOCUMENTED, failure
from isthmus.failure import Failure, FieldError, Invalid
from isthmus.fields import BlockHash, Hex32, Response, Txid

M = TypeVar("M", bound=BaseModel)

MAX_SCRIPT_SHOWN = 520
"""Bytes: what the script language may push at once; a longer script is only measured."""

SCRIPT_TYPES = {
    "pubkey": "p2pk",
    "pubkeyhash": "p2pkh",
    "scripthash": "p2sh",
    "multisig": "multisig",
    "nulldata": "op_return",
    "witness_v0_keyhash": "p2wpkh",
    "witness_v0_scripthash": "p2wsh",
    "witness_v1_taproot": "p2tr",
    "anchor": "anchor",
    "witness_unknown": "witness_unknown",
    "nonstandard": "nonstandard",
}
"""Bitcoin Core's names of output types (src/script/solver.cpp) and the field's."""

MAX_MAGNITUDE = 100
"""Powers of ten; a difficulty is below 10**68."""

_USER_AGENT = re.compile(r"/[0-9A-Za-z .,;_?@:()/+-]{1,254}/")


def read(model: type[M], reply: object, /, **own: object) -> M:
    """An answer from the fields of a node's reply that the model names, and from values of our own.

    Raises:
        Unavailable: the reply is not of the shape that Bitcoin Core documents.
    """
    if not isinstance(reply, Mapping):
        raise undocumented()
    sources = {_source(name, field.validation_alias) for name, field in model.model_fields.items()}
    try:
        return model.model_validate({name: reply[name] for name in sources & reply.keys()} | own, strict=True)
    except ValidationError:
        raise undocumented() from None


def undocumented() -> Failure:
    """What the node answered is not of the shape that it documents."""
    return failure(UNDOCUMENTED)


def _source(name: str, alias: object) -> str:
    return str(alias.path[0]) if isinstance(alias, AliasPath) else str(alias or name)


def _number_text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (Decimal, int)):
        raise ValueError("not a number")  # noqa: TRY004 - pydantic turns a ValueError into a refusal
    if abs(Decimal(value).adjusted()) > MAX_MAGNITUDE:
        raise ValueError("not a number of this world")
    return format(value, "f")


def _share(value: object) -> float:
    return float(_number_text(value))


def _count(value: object) -> object:
    """Bitcoin Core before version 28 has one text instead of a list."""
    return int(value != "") if isinstance(value, str) else len(value) if isinstance(value, list) else value


def _user_agent(value: object) -> str | None:
    return value if isinstance(value, str) and _USER_AGENT.fullmatch(value) else None


def _script_type(value: object) -> str:
    return SCRIPT_TYPES.get(str(value), "other")


def _short_script(value: object) -> object:
    return None if isinstance(value, str) and len(value) > 2 * MAX_SCRIPT_SHOWN else value


def _script_length(value: object) -> object:
    return len(value) // 2 if isinstance(value, str) else value


NumberText = Annotated[str, BeforeValidator(_number_text), Field(description="a decimal number")]
Share = Annotated[float, BeforeValidator(_share), Field(ge=0, le=1.01)]
Count = Annotated[int, BeforeValidator(_count), Field(ge=0)]
UserAgent = Annotated[str | None, BeforeValidator(_user_agent), Field(description="BIP 14, or null when it is odd")]
ChainName = Annotated[str, Field(pattern=r"^[a-z0-9]{1,16}$", description="main, test, testnet4, signet or regtest")]
ScriptType = Annotated[
    str, BeforeValidator(_script_type), Field(description="p2pkh, p2wpkh, p2tr, op_return and so on")
]
HexText = Annotated[str, Field(pattern=r"^([0-9a-f]{2})*$")]
Script = Annotated[
    HexText | None,
    BeforeValidator(_short_script),
    Field(description=f"hexadecimal; null above {MAX_SCRIPT_SHOWN} bytes"),
]
ScriptBytes = Annotated[int, BeforeValidator(_script_length), Field(ge=0, description="length of the script")]
Address = Annotated[str, Field(pattern=r"^[0-9A-Za-z]{8,120}$")]


class TransactionOutput(Response):
    """One output."""

    vout: int = Field(validation_alias="n")
    value_sat: SatFromBtc = Field(validation_alias="value")
    script_type: ScriptType = Field(validation_alias=AliasPath("scriptPubKey", "type"))
    address: Address | None = Field(None, validation_alias=AliasPath("scriptPubKey", "address"))
    script_pubkey: Script = Field(validation_alias=AliasPath("scriptPubKey", "hex"))
    script_bytes: ScriptBytes = Field(validation_alias=AliasPath("scriptPubKey", "hex"))


class TransactionInput(Response):
    """One input; the spent output's fields are null where the node does not know it, and in a coinbase."""

    coinbase: bool
    txid: Txid | None = None
    vout: int | None = None
    sequence: int
    value_sat: SatFromBtc | None = Field(None, validation_alias=AliasPath("prevout", "value"))
    script_type: ScriptType | None = Field(None, validation_alias=AliasPath("prevout", "scriptPubKey", "type"))
    address: Address | None = Field(None, validation_alias=AliasPath("prevout", "scriptPubKey", "address"))


class InclusionProof(Response):
    """Hash the id with the branch, lowest first, left or right by the bits of the position: the header's root comes."""

    block_hash: BlockHash
    header: Annotated[str, Field(pattern=r"^[0-9a-f]{160}$", description="80 bytes; its hash is the block's")]
    position: int
    branch: list[Hex32]


def outputs(reply: object, pointer: str) -> list[TransactionOutput]:
    """The outputs of a transaction that a caller has sent, as the node has decoded it.

    Raises:
        Invalid: one pays an amount that there cannot be; a node decodes that, and nobody takes it.
    """
    found = reply if isinstance(reply, list) else []
    amounts = [one.get("value") for one in found if isinstance(one, Mapping)]
    if any(isinstance(one, Decimal | int) and not 0 <= one <= MAX_BTC for one in amounts):
        raise impossible_amount(pointer)
    return [read(TransactionOutput, one) for one in found]


def impossible_amount(pointer: str) -> Invalid:
    """An amount below zero or above what there will ever be."""
    return Invalid(
        "It speaks of an amount that there cannot be.",
        next_step="Build it anew.",
        code="bitcoin/amount",
        errors=(FieldError(pointer, "has an amount below 0 or above 21 million bitcoin"),),
    )


def whole(value: Any) -> int:
    """A count that stands alone in a node's reply.

    Raises:
        Unavailable: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise undocumented()
    return value


def hash_text(value: Any) -> str:
    """A block hash or transaction id that stands alone in a node's reply.

    Raises:
        Unavailable: it is none.
    """
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{64}", value):
        raise undocumented()
    return value
