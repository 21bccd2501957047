"""Whether an address is valid on the node's network, and what it pays to."""

from typing import Annotated

from pydantic import Field

from isthmus.bitcoin.addresses import Reason
from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.outputs import judge
from isthmus.bitcoin.views import ChainName
from isthmus.failure import Integrity, Precondition, Unavailable
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode


class GetAddress(Request):
    """Which address."""

    address: str = Field(min_length=1, max_length=128)


class AddressView(Response):
    """The verdict, with what the address's own form says; null where the address is too broken to say it."""

    valid: bool = Field(description="whether the node's network takes it")
    reason: Reason | None = Field(description="why it is not valid")
    chain: ChainName = Field(description="the node's network")
    networks: list[str] = Field(description="the networks that use this form")
    script_type: str | None
    script_pubkey: Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$")] | None
    is_script: bool | None = Field(description="whether it pays to a hash of a script, as far as its form says")
    witness_version: int | None
    witness_program: Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$")] | None


@operation("GET /v1/bitcoin/address", effect=Effect.READ, errors=(Precondition, Integrity, Unavailable))
def get_address(request: GetAddress, node: BitcoinNode) -> AddressView:
    """Whether an address is valid here, why not if not, and the output script it stands for."""
    return AddressView.model_validate(judge(within(node), request.address), from_attributes=True)
