"""Whether a node can be relied on now."""

from pydantic import BaseModel, Field

from isthmus.bitcoin.views import read
from isthmus.ports import BitcoinNode


class _Chain(BaseModel):
    syncing: bool = Field(validation_alias="initialblockdownload")


def shortcoming(node: BitcoinNode, deadline_s: float) -> str | None:
    """None for a node that answers and follows the chain's tip, else the code of what is missing.

    Raises:
        Unavailable: nobody answers, or the node is still starting.
    """
    chain = read(_Chain, node.call("getblockchaininfo", deadline_s=deadline_s))
    return "bitcoin/syncing" if chain.syncing else None
