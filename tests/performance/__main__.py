"""Every figure in one run: `id value unit` lines, and build/bench.json."""

import argparse
import json
from pathlib import Path

from tests.performance import access, collector, flow, imports, kills, runtime, spending, webhooks

MEASURES = {
    "flow": flow.measure,
    "access": access.measure,
    "imports": imports.measure,
    "runtime": runtime.measure,
    "webhooks": webhooks.measure,
    "collector": collector.measure,
    "spending": spending.measure,
    "kills": kills.measure,
}
ROOT = Path(__file__).parents[2]


def main() -> None:
    """Measure what was asked for, all by default."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("only", nargs="*", choices=[[], *MEASURES], help="which groups")
    wanted = parser.parse_args().only or list(MEASURES)
    figures: dict[str, float] = {}
    for name in wanted:
        for key, (value, unit) in MEASURES[name]().items():
            figures[key] = value
            print(f"{key} {value:g} {unit}", flush=True)
    target = ROOT / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
