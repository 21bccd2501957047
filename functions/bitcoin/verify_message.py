"""Whether whoever has the key of an address signed a message."""

from typing import Annotated

from pydantic import Field

from isthmus.bitcoin import addresses
from isthmus.bitcoin.addresses import Decoded
from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.views import ChainName, read, undocumented
from isthmus.failure import FieldError, Invalid, Unavailable
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode


class VerifyMessage(Request):
    """The message, and what proves it."""

    address: str = Field(min_length=14, max_length=90, description="a p2pkh address")
    message: str = Field(max_length=4_000)
    signature: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9+/]{87}=$", description="65 bytes in base64, as signmessage gives them")
    ]


class Verified(Response):
    """The verdict."""

    valid: bool


class _Chain(Response):
    chain: ChainName


@operation("POST /v1/bitcoin/messages/verify", effect=Effect.READ, errors=(Unavailable,))
def verify_message(request: VerifyMessage, node: BitcoinNode) -> Verified:
    """Whether the signature of a message is of the key of a p2pkh address ("Bitcoin Signed Message").

    Raises:
        Invalid: it is no p2pkh address of the node's network; of other addresses a key alone proves nothing.
    """
    node, decoded = within(node), addresses.decode(request.address)
    chain = read(_Chain, node.call("getblockchaininfo")).chain
    if not isinstance(decoded, Decoded):
        raise _unusable(f"is no address: {decoded}")
    if chain not in decoded.networks:
        raise _unusable(f"is an address of another network than {chain}")
    if decoded.script_type != "p2pkh":
        raise _unusable("is no p2pkh address; only their keys sign messages like this")
    verdict = node.call("verifymessage", request.address, request.signature, request.message)
    if not isinstance(verdict, bool):
        raise undocumented()
    return Verified(valid=verdict)


def _unusable(why: str) -> Invalid:
    return Invalid(
        "With this address no message can be verified.",
        next_step="Use the p2pkh address whose key has signed it.",
        code="bitcoin/message-address",
        errors=(FieldError("/address", why),),
    )
