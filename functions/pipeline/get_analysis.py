"""Feerates and flows of the latest stored blocks."""

from typing import Any

import orjson
from pydantic import Field

from isthmus.failure import NotFound, Unavailable
from isthmus.fields import BlockHash, Height, Request, Response, Sat
from isthmus.operation import Effect, operation
from isthmus.pipeline.models import AnalysisTotals
from isthmus.pipeline.stages import ANALYSIS_KEY
from isthmus.ports import Blobs


class GetAnalysis(Request):
    """How much of the analysis to show."""

    blocks: int = Field(default=144, ge=1, le=1000, description="how many of the latest blocks")


class BlockFeerates(Response):
    """One block; feerates in sat per 1,000 vbytes at weight percentiles, null for a block without payments."""

    height: Height
    block_hash: BlockHash
    time: int
    payments: int
    fees_sat: Sat
    weight: int
    feerate_p10: int | None
    feerate_p25: int | None
    feerate_p50: int | None
    feerate_p75: int | None
    feerate_p90: int | None


class Flow(Response):
    """What outputs of one script type the analysed blocks made or spent."""

    direction: str
    script_type: str
    outputs: int
    value_sat: int


class Analysis(AnalysisTotals):
    """The analysis of one manifest version."""

    feerates: tuple[BlockFeerates, ...]
    flows: tuple[Flow, ...]


@operation("GET /v1/pipeline/analysis", effect=Effect.READ, errors=(NotFound, Unavailable))
def get_analysis(request: GetAnalysis, blobs: Blobs) -> Analysis:
    """Feerate percentiles per block and flows per script type, of the latest run's tables."""
    blob = blobs.get(ANALYSIS_KEY)
    if blob is None:
        raise NotFound("Nothing is analysed yet.", next_step="Start a run with `start_run`.", code="pipeline/analysis")
    stored: dict[str, Any] = orjson.loads(blob.body)
    return Analysis(**stored | {"feerates": stored["feerates"][-request.blocks :]})
