"""Field types that operations share: names, patterns and units in one place."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="32 bytes, lower-case hexadecimal")]
BlockHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="block hash as shown by explorers")]
Txid = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="transaction id as shown by explorers")]
Height = Annotated[int, Field(ge=0, le=2**31 - 1, description="block height")]
Sat = Annotated[int, Field(ge=0, le=21_000_000 * 100_000_000, description="amount in satoshi")]
FeerateSatPerKvb = Annotated[int, Field(ge=0, description="feerate in satoshi per 1,000 virtual bytes")]


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
