"""Events that nobody waits for: retries, and where they end."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.local import outcome
from infra.local.asynchronous import MAX_PENDING, Asynchronous
from infra.local.expand import Function
from infra.local.outcome import Outcome
from isthmus.failure import Limited

EVENT = {"source": "aws.scheduler", "detail": {}}
PAYLOAD = json.dumps(EVENT).encode()


class World:
    """Functions that fail so many times, and what they were asked."""

    def __init__(self, make: Callable[..., Function], **more: Any) -> None:
        self.fails: dict[str, int] = {}
        self.asked: list[tuple[str, Any]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        functions = [make("work", on_failure="test-letters", **more), make("letters"), make("alone")]
        self.events = Asynchronous(functions, self.invoke, (0.0,))

    async def invoke(self, function: str, payload: bytes) -> Outcome:
        await self.gate.wait()
        self.asked.append((function, json.loads(payload)))
        left = self.fails.get(function, 0)
        self.fails[function] = left - 1
        if left > 0:
            return outcome.raised(b'{"errorType": "Unavailable", "errorMessage": "no"}')
        return outcome.succeeded(b"{}")

    def of(self, function: str) -> list[Any]:
        return [payload for name, payload in self.asked if name == function]


def test_an_event_that_succeeds_is_run_once(make_function: Callable[..., Function]) -> None:
    async def story() -> None:
        world = World(make_function)
        world.events.start("work", PAYLOAD)
        await world.events.idle()
        assert world.asked == [("work", EVENT)]

    asyncio.run(story())


def test_an_event_that_fails_is_tried_twice_more(make_function: Callable[..., Function]) -> None:
    async def story() -> None:
        world = World(make_function)
        world.fails["work"] = 2
        world.events.start("work", PAYLOAD)
        await world.events.idle()
        assert world.asked == [("work", EVENT)] * 3

    asyncio.run(story())


def test_what_failed_for_good_is_told_to_the_destination_as_lambda_does(make_function: Callable[..., Function]) -> None:
    async def story() -> None:
        world = World(make_function)
        world.fails["work"] = 3
        invocation = world.events.start("work", PAYLOAD)
        await world.events.idle()
        assert len(world.of("work")) == 3
        (record,) = world.of("letters")
        assert record["requestContext"] == {
            "requestId": invocation,
            "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:test-work:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        }
        assert record["requestPayload"] == EVENT
        assert record["responsePayload"]["errorType"] == "Unavailable"

    asyncio.run(story())


def test_the_template_says_how_often(make_function: Callable[..., Function]) -> None:
    async def story() -> None:
        world = World(make_function, retries=0)
        world.fails["work"] = 1
        world.events.start("work", PAYLOAD)
        await world.events.idle()
        assert [name for name, _ in world.asked] == ["work", "letters"]

    asyncio.run(story())


def test_without_a_destination_it_ends_there(make_function: Callable[..., Function]) -> None:
    async def story() -> None:
        world = World(make_function)
        world.fails["alone"] = 3
        world.events.start("alone", PAYLOAD)
        await world.events.idle()
        assert [name for name, _ in world.asked] == ["alone"] * 3

    asyncio.run(story())


def test_a_schedule_learns_of_the_first_attempt_and_does_not_wait_for_the_others(
    make_function: Callable[..., Function],
) -> None:
    async def story() -> None:
        world = World(make_function)
        world.fails["work"] = 1
        first = await world.events.run("work", PAYLOAD)
        assert (first.error, len(world.asked)) == ("Unavailable", 1)
        await world.events.idle()
        assert len(world.asked) == 2

    asyncio.run(story())


def test_there_is_a_limit_and_closing_leaves_the_rest(make_function: Callable[..., Function]) -> None:
    async def story() -> None:
        world = World(make_function)
        world.gate.clear()
        for _ in range(MAX_PENDING):
            world.events.start("work", PAYLOAD)
        with pytest.raises(Limited):
            world.events.start("work", PAYLOAD)
        await world.events.close()
        assert world.asked == []

    asyncio.run(story())
