"""What a run of the chain pipeline found, for people: rich on a terminal, plain text elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

SHOWN_BLOCKS = 10
CHART_WIDTH = 72
CHART_HEIGHT = 8
SAT_PER_BTC = 100_000_000
_EIGHTHS = " ▁▂▃▄▅▆▇█"
Row = Mapping[str, Any]


def print_report(console: Console, run: Row, analysis: Row, seconds: float) -> None:
    """Throughput, verdicts, feerates per block, a fee chart and flows by script type."""
    console.print(_summary(run, seconds))
    console.print(_feerates(analysis["feerates"][-SHOWN_BLOCKS:]))
    console.print(_chart(analysis["feerates"]))
    console.print(_flows(analysis["flows"]))


def _summary(run: Row, seconds: float) -> Panel:
    verdicts = ", ".join(f"{count} {name}" for name, count in sorted(run["verdicts"].items())) or "none"
    transactions, size = run["transactions"], run["bytes"]
    rate = transactions / max(seconds, 0.001)
    lines = [
        f"run {run['run_id']} is {run['status']}: blocks {run['first']} to {run['last']} of {run['chain']}",
        f"{transactions:,} transactions in {seconds:.1f} s through all five stages: {rate:,.0f} a second",
        f"{size:,} bytes stored, {size / max(transactions, 1):.1f} per transaction",
        f"validation of {run['batches']} batches: {verdicts}",
    ]
    lines += [run["note"]] if run["note"] else []
    lines += [_parked(batch) for batch in run["parked"][:5]]
    return Panel("\n".join(lines), title="The chain pipeline", title_align="left", border_style="cyan")


def _parked(batch: Row) -> str:
    reason = batch["reason"]
    why = reason["detail"] if reason else "; ".join(f"{f['check']}: {f['detail']}" for f in batch["findings"][:2])
    return f"blocks {batch['first']} to {batch['last']} are parked: {why}"


def _feerates(rows: Sequence[Row]) -> Table:
    table = Table(title="Feerates in sat/vB, by weight", title_justify="left", title_style="bold", header_style="cyan")
    for name in ("height", "payments", "fees in sat", "p10", "p25", "median", "p75", "p90"):
        table.add_column(name, justify="right")
    for row in rows:
        rates = [row[f"feerate_{percentile}"] for percentile in ("p10", "p25", "p50", "p75", "p90")]
        shown = ["-" if rate is None else f"{rate / 1000:.2f}" for rate in rates]
        table.add_row(str(row["height"]), f"{row['payments']:,}", f"{row['fees_sat']:,}", *shown)
    return table


def _chart(rows: Iterable[Row]) -> Group:
    """Median feerates over the analysed blocks, a few blocks a column; the scale ends at the highest column."""
    medians = [row["feerate_p50"] for row in rows if row["feerate_p50"] is not None]
    columns = binned(medians, CHART_WIDTH)
    top = max(columns, default=0)
    title = Text(f"Median feerate of {len(medians)} blocks, oldest first; the top is {top / 1000:.1f} sat/vB", "bold")
    return Group(title, Text("\n".join(bars(columns, CHART_HEIGHT)), "cyan"), Text(""))


def binned(values: Sequence[int], width: int) -> list[int]:
    """At most `width` averages of neighbouring values.

    >>> binned([1, 3, 5, 7], 2)
    [2, 6]
    """
    count = min(width, len(values))
    edges = [len(values) * place // count for place in range(count + 1)] if count else []
    return [sum(values[a:b]) // (b - a) for a, b in pairwise(edges)]


def bars(columns: Sequence[int], height: int) -> list[str]:
    """The lines of a bar chart from zero to the highest column, in eighths of a character.

    >>> bars([4, 2], 2)
    ['█ ', '██']
    """
    top = max(columns, default=0) or 1
    eighths = [round(value * height * 8 / top) for value in columns]
    return ["".join(_EIGHTHS[min(8, max(0, one - level * 8))] for one in eighths) for level in reversed(range(height))]


def _flows(rows: Sequence[Row]) -> Table:
    table = Table(title="Value by script type", title_justify="left", title_style="bold", header_style="cyan")
    for name in ("script type", "outputs made", "BTC made", "outputs spent", "BTC spent"):
        table.add_column(name, justify="left" if name == "script type" else "right")
    types = {row["script_type"]: {"made": (0, 0), "spent": (0, 0)} for row in rows}
    for row in rows:
        types[row["script_type"]][row["direction"]] = (row["outputs"], row["value_sat"])
    for name, sides in sorted(types.items(), key=lambda one: -one[1]["made"][1]):
        cells = [cell for count, sat in sides.values() for cell in (f"{count:,}", f"{sat / SAT_PER_BTC:,.2f}")]
        table.add_row(name, *cells)
    return table
