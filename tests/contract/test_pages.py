import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pytest
from pydantic import Field

from infra.template.files import OPERATIONS
from infra.template.pages import REPEAT, error_pages, operation_pages
from infra.template.problems import tree
from isthmus.catalogue import operations
from isthmus.failure import Failure, NotFound, Repeat
from isthmus.fields import Height, Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Table


class Ask(Request):
    """What is asked."""

    height: Height
    kind: Literal["a", "b"] = "a"
    names: Annotated[list[str], Field(max_length=3, description="up | down", default_factory=list)]


class Inner(Response):
    """Inside."""

    text: str


class Tell(Response):
    """What is told."""

    inner: Inner | None
    counts: Mapping[str, int]


@operation("POST /v1/things", effect=Effect.CHANGE, errors=(NotFound,), status=202)
def add_thing(request: Ask, caller: Caller, table: Table) -> Tell:
    """Add a thing."""
    raise NotImplementedError


@operation(effect=Effect.CHANGE, schedule="rate(1 hour)", follows="things/new")
def sweep(request: Ask) -> Tell:
    """Sweep."""
    raise NotImplementedError


@pytest.fixture(scope="module")
def page() -> str:
    (text,) = operation_pages([add_thing, sweep]).values()
    return text


def test_every_kind_of_failure_has_a_page_that_names_all_its_failures() -> None:
    pages = error_pages()
    assert set(pages) == {f"{failure.kind}.md" for failure in tree()}
    for failure in tree():
        row = f"| `{failure.__name__}` | {failure.status} | {failure.title} | {failure.__doc__} |"
        assert row in pages[f"{failure.kind}.md"]


def test_every_page_says_whether_to_repeat_and_whether_money_moved() -> None:
    for failure in tree():
        text = error_pages()[f"{failure.kind}.md"]
        assert f"`/problems/{failure.kind}`" in text
        assert REPEAT[failure.repeat] in text
        assert "`money_moved`" in text


def test_every_way_to_repeat_is_explained() -> None:
    assert set(REPEAT) == set(get_args(Repeat))


def test_failures_of_one_kind_agree_on_how_to_repeat() -> None:
    by_kind: dict[str, set[Any]] = {}
    for failure in tree():
        by_kind.setdefault(failure.kind, set()).add((failure.repeat, failure.severity))
    assert {kind: len(said) for kind, said in by_kind.items()} == dict.fromkeys(by_kind, 1)


def test_the_tree_at_the_top_of_the_module_is_the_tree_of_classes() -> None:
    from isthmus import failure as module

    drawn = [line.split("──")[1].split()[:2] for line in str(module.__doc__).splitlines() if "──" in line]
    assert [(name, int(status)) for name, status in drawn] == [(one.__name__, one.status) for one in tree()]
    assert all(issubclass(one, Failure) for one in tree())


def test_a_domain_starts_with_a_table_of_its_operations(page: str) -> None:
    row = "| [`add_thing`](#add_thing) | `POST /v1/things` | `contract:change` | change |  | Table | Add a thing. |"
    assert row in page
    started = "`rate(1 hour)`, and when `things/new` has news"
    assert f"| [`sweep`](#sweep) |  | `contract:change`, not over HTTPS | change | {started} |  | Sweep. |" in page


def test_every_operation_says_what_a_caller_needs_and_the_public_ones_that_it_is_nothing(
    derived: dict[Path, str],
) -> None:
    for one in operations():
        page = derived[OPERATIONS / f"{one.domain}.md"]
        section = page.split(f"\n## {one.name}\n")[1].split("\n## ")[0]
        asked = re.findall(r"^\*\*Asks for\*\* (.*)$", section, re.MULTILINE)
        assert len(asked) == 1
        assert asked[0] == "nothing, public" if one.public else f"`{one.scope}`" in asked[0]


def test_a_request_is_a_table_of_fields_with_their_limits(page: str) -> None:
    assert "| `height` | integer from 0 to 2147483647 | yes | block height |" in page
    assert "| `kind` | `a` or `b` | no |  |" in page
    assert "| `names` | list of string to 3 | no | up \\| down |" in page


def test_a_response_leads_to_its_models(page: str) -> None:
    assert "**Response** [`Tell`](#tell), status 202" in page
    assert "| `inner` | [`Inner`](#inner) or null | yes |  |" in page
    assert "| `counts` | map of integer | yes |  |" in page
    assert page.index("### Inner") < page.index("### Tell")


def test_a_route_lists_the_common_failures_and_a_task_only_its_own(page: str) -> None:
    route, task = page.split("## sweep")
    assert "[NotFound](../errors/not-found.md) 404" in route
    assert "[Malformed](../errors/invalid.md) 400" in route
    assert "**Failures**" not in task
