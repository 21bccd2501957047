"""Where the node's chain stands."""

from pydantic import Field

from isthmus.bitcoin.amounts import SatFromBtc
from isthmus.bitcoin.deadline import within
from isthmus.bitcoin.views import ChainName, Count, NumberText, Share, UserAgent, read, undocumented
from isthmus.failure import Precondition, Unavailable
from isthmus.fields import BlockHash, Height, Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import BitcoinNode


class GetChainInfo(Request):
    """Nothing to ask."""


class ChainInfo(Response):
    """The chain as this node sees it, and the node."""

    chain: ChainName
    height: Height = Field(validation_alias="blocks")
    headers: Height
    best_block_hash: BlockHash = Field(validation_alias="bestblockhash")
    difficulty: NumberText
    verification_progress: Share = Field(validation_alias="verificationprogress", description="about 1 when synced")
    initial_block_download: bool = Field(validation_alias="initialblockdownload")
    pruned: bool
    prune_height: Height | None = Field(None, validation_alias="pruneheight", description="the lowest block kept whole")
    node_version: int = Field(validation_alias="version", description="290400 is 29.4")
    node_software: UserAgent = Field(validation_alias="subversion")
    connections: int = Field(ge=0)
    warnings: Count = Field(description="how many warnings the node has; their text is in its log")
    relay_feerate_sat_per_kvb: SatFromBtc = Field(
        validation_alias="relayfee", description="below it nothing is relayed"
    )


@operation("GET /v1/bitcoin/chain", effect=Effect.READ, errors=(Precondition, Unavailable))
def get_chain_info(request: GetChainInfo, node: BitcoinNode) -> ChainInfo:
    """The chain's name, height and difficulty, how far the node has come, and what node it is."""
    node = within(node)
    chain, network = node.call("getblockchaininfo"), node.call("getnetworkinfo")
    if not isinstance(chain, dict) or not isinstance(network, dict):
        raise undocumented()
    return read(ChainInfo, network | chain)
