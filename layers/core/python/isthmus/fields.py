"""Field types that operations share: names, patterns and units in one place."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema

Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="32 bytes, lower-case hexadecimal")]
BlockHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="block hash as shown by explorers")]
Txid = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="transaction id as shown by explorers")]
Height = Annotated[int, Field(ge=0, le=2**31 - 1, description="block height")]
Sat = Annotated[int, Field(ge=0, le=21_000_000 * 100_000_000, description="amount in satoshi")]
FeerateSatPerKvb = Annotated[int, Field(ge=0, description="feerate in satoshi per 1,000 virtual bytes")]

MAX_MSAT = 21_000_000 * 100_000_000 * 1_000
"""All bitcoin there will ever be, in millisatoshi: some 2^61, beyond the 2^53 up to which JSON numbers are exact."""

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_MSAT = "amount in millisatoshi"
_MSAT_STRING = {"type": "string", "pattern": f"^({_DECIMAL.pattern})$"}


def _msat(value: Any) -> int:
    """An amount from an integer or a decimal string; floats and booleans are neither.

    Raises:
        ValueError: it is something else, or no amount there can be.
    """
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = int(value)
    if type(value) is not int or not 0 <= value <= MAX_MSAT:
        raise ValueError(f"an integer from 0 to {MAX_MSAT}, as a number or in decimal digits as a string")
    return value


Msat = Annotated[
    int,
    PlainValidator(_msat),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0, "maximum": MAX_MSAT}, _MSAT_STRING], "description": _MSAT},
        mode="validation",
    ),
    WithJsonSchema(_MSAT_STRING | {"description": _MSAT}, mode="serialization"),
]
"""An amount in millisatoshi: asked for as a JSON integer or a string of decimal digits, answered as a string always,
so that no value changes its type and none is rounded by a reader whose numbers are floats."""

MAX_DID = 1000
Did = Annotated[
    str,
    Field(
        max_length=MAX_DID,
        pattern=r"^did:[a-z0-9]+:[A-Za-z0-9._%-]+(:[A-Za-z0-9._%-]+)*$",
        description="DID (W3C DID 1.0)",
    ),
]
TenantName = Annotated[
    str, Field(max_length=32, pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", description="name of a tenant")
]


@dataclass(frozen=True)
class FromHeader:
    """Metadata of a field that an HTTPS request has in a header, and never in its body or query string.

    Args:
        name: the header's name in lower case; or `:origin`, which no header can be named, for the scheme and authority
            that the request was sent to.
    """

    name: str

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        schema: dict[str, Any] = handler(core_schema)
        return schema | {"x-header": self.name}


class Request(BaseModel):
    """What an operation is asked: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def for_tenant(self) -> str | None:
        """Whose things it is about, where a request can say so; the caller's own without it."""
        return None

    def spends_msat(self) -> int:
        """The most it may spend, fees included, in millisatoshi: what the policies and the caller's budget go by."""
        return 0


class Response(BaseModel):
    """What an operation answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)
