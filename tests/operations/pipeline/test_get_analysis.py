"""The analysis of the latest stored blocks."""

from typing import Any

import pytest

from functions.pipeline.get_analysis import GetAnalysis, get_analysis
from isthmus.failure import NotFound
from isthmus.storage.adapters.files import FileBlobs


def test_before_the_first_run_there_is_none(tmp_path: Any) -> None:
    with pytest.raises(NotFound, match="start_run"):
        get_analysis.function(GetAnalysis(), FileBlobs(tmp_path))


@pytest.mark.node
def test_flows_of_all_blocks_balance(desk: Any) -> None:
    run = desk.run()

    shown = get_analysis.function(GetAnalysis(blocks=1), desk.blobs)

    assert len(shown.feerates) == 1
    made = sum(flow.value_sat for flow in shown.flows if flow.direction == "made")
    spent = sum(flow.value_sat for flow in shown.flows if flow.direction == "spent")
    rows = desk.rows()
    coinbases = sum(row[6] for row in rows["blocks"])
    assert made - coinbases + run.analysis["fees_sat"] == spent
