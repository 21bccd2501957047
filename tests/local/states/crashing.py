"""A process that runs one execution and may be killed: `python crashing.py <journal> <log> <items> <mode of its Map>`.

Its functions append a line to the log for every call. It says when it works, and tells how the execution has ended.
"""

import asyncio
import dataclasses
import json
import random
import sys
from pathlib import Path
from typing import Any

from infra.local.states import Engine, TaskError

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
RETRY = [{"ErrorEquals": ["TransientError"], "IntervalSeconds": 1, "MaxAttempts": 3, "JitterStrategy": "FULL"}]


def task(name: str, **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": ARN + name, "Retry": RETRY, **fields}


def machine(mode: str) -> dict[str, Any]:
    item = {
        "ProcessorConfig": {"Mode": mode, "ExecutionType": "STANDARD"},
        "StartAt": "Enrich",
        "States": {
            "Enrich": task("enrich", ResultPath="$.enriched", Next="Settle"),
            "Settle": {"Type": "Wait", "Seconds": 0, "Next": "Check"},
            "Check": task("check", End=True),
        },
    }
    branches = [{"StartAt": name, "States": {name: task(name, End=True)}} for name in ("sum", "count")]
    return {
        "StartAt": "Begin",
        "States": {
            "Begin": {"Type": "Pass", "Parameters": {"items.$": "$.items", "id.$": "States.UUID()"}, "Next": "Open"},
            "Open": task("open", ResultPath=None, Next="Items"),
            "Items": {
                "Type": "Map",
                "ItemsPath": "$.items",
                "ItemSelector": {"item.$": "$$.Map.Item.Value"},
                "ItemProcessor": item,
                "ResultPath": "$.results",
                "Next": "Both",
            },
            "Both": {"Type": "Parallel", "Branches": branches, "ResultPath": "$.both", "Next": "Close"},
            "Close": task("close", ResultPath=None, End=True),
        },
    }


def answer(name: str, payload: Any, earlier: list[str]) -> Any:
    """What a function answers; every third item needs a second call of `check`."""
    if name == "check" and payload["item"] % 3 == 0 and key(name, payload) not in earlier:
        raise TaskError("TransientError", "{}")
    answers = {
        "enrich": lambda: payload["item"] ** 2,
        "check": lambda: {"item": payload["item"], "square": payload["enriched"]},
        "sum": lambda: sum(result["square"] for result in payload["results"]),
        "count": lambda: len(payload["results"]),
    }
    return answers.get(name, lambda: None)()


def key(name: str, payload: Any) -> str:
    """What a line of the log says: the function and what it was called for."""
    return f"{name} {payload['item'] if 'item' in payload else payload['id']}"


def note(log: Path, line: str) -> list[str]:
    """Append a line; the lines before it."""
    with log.open("a+") as file:
        file.seek(0)
        earlier = file.read().splitlines()
        file.write(line + "\n")
    return earlier


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main(journal: Path, log: Path, count: int, mode: str) -> None:
    async def invoke(arn: str, payload: Any, _timeout_s: float | None) -> Any:
        name = arn.rsplit(":", 1)[-1]
        earlier = note(log, key(name, payload))
        await asyncio.sleep(random.uniform(0, 0.01))
        return answer(name, payload, earlier)

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / 100)

    engine = Engine(journal, invoke, sleep=sleep)
    engine.register("machine", machine(mode))
    await engine.resume()
    await engine.start("machine", "one", {"items": list(range(count))})
    say("working")
    ended = await engine.wait("machine", "one")
    say(json.dumps(dataclasses.asdict(ended)))
    await engine.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
