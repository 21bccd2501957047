"""Every limit at its last allowed value and one beyond."""

import base64
import json
import re
import re._parser as sre  # type: ignore[import-not-found]  # the only parser that says how long a match can be
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import Field, ValidationError

from isthmus.catalogue import operations
from isthmus.failure import Invalid, TooLarge
from isthmus.fields import Request
from isthmus.operation import Operation
from isthmus.request import MAX_BODY_BYTES, MAX_DEPTH, MAX_FIELD_ERRORS, Channel, parse

MAX_LIST = 1_000
MAX_PAGE = 200
MAX_TEXT = 4_096
MAX_SERIALIZED = 256 * 1024
SERIALIZED = ("/transaction", "/psbt", "/psbts/*")
"""Whole transactions, which are longer than any text: what the network relays has up to 100,000 virtual bytes."""
MAX_HEADERS = 10_240
"""What API Gateway lets a request's line and headers be together; only the platform itself sends as much."""


class Anything(Request):
    """A request that takes whatever there is."""

    value: Any = None
    names: dict[str, str] = Field(default_factory=dict)


class Numbers(Request):
    """A request with a list, each member of which can be refused."""

    numbers: list[int]


def posted(body: str, *, encoded: bool = False) -> dict[str, Any]:
    text = base64.b64encode(body.encode()).decode() if encoded else body
    return {
        "requestContext": {"http": {"method": "POST"}},
        "headers": {"content-type": "application/json"},
        "body": text,
        "isBase64Encoded": encoded,
    }


def read(body: str, *, encoded: bool = False) -> Anything:
    return parse(Anything, "/v1/things", Channel.HTTP, posted(body, encoded=encoded))


def test_the_limits_are_what_the_documents_say() -> None:
    assert (MAX_BODY_BYTES, MAX_DEPTH) == (256 * 1024, 32)


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("letter", ["x", "é", "€", "𝄞"])
def test_a_body_of_256_kibibytes_is_read_and_one_byte_more_is_not(letter: str, *, encoded: bool) -> None:
    width, shell = len(letter.encode()), len('{"value":""}')
    letters, rest = divmod(MAX_BODY_BYTES - shell, width)
    value = letter * letters + "x" * rest
    body = json.dumps({"value": value}, ensure_ascii=False, separators=(",", ":"))

    assert len(body.encode()) == MAX_BODY_BYTES
    assert read(body, encoded=encoded).value == value
    with pytest.raises(TooLarge):
        read(body + " ", encoded=encoded)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_a_body_32_deep_is_read_and_one_deeper_is_not(opening: str, closing: str) -> None:
    def nested(depth: int) -> str:
        return '{"value":' + opening * (depth - 1) + "1" + closing * (depth - 1) + "}"

    assert read(nested(MAX_DEPTH)).value
    with pytest.raises(TooLarge):
        read(nested(MAX_DEPTH + 1))


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_body_of_nothing_but_depth_is_refused_as_too_large(opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    deep = 40_000
    with pytest.raises(TooLarge):
        read('{"value":' + opening * deep + "1" + closing * deep + "}")


def test_twenty_refused_fields_are_named_and_no_more() -> None:
    for wrong, named in ((MAX_FIELD_ERRORS, MAX_FIELD_ERRORS), (MAX_FIELD_ERRORS + 1, MAX_FIELD_ERRORS)):
        with pytest.raises(Invalid) as refused:
            parse(Numbers, "/v1/things", Channel.HTTP, posted(json.dumps({"numbers": ["x"] * wrong})))
        assert len(refused.value.errors) == named
        assert refused.value.detail.startswith(f"{wrong} field(s)")


def test_a_foreign_name_is_named_with_64_characters_at_most() -> None:
    for length in (64, 65):
        with pytest.raises(Invalid) as refused:
            parse(Anything, "/v1/things", Channel.HTTP, posted(json.dumps({"n" * length: 1})))
        assert refused.value.errors[0].pointer == "/" + "n" * 64


Schema = Mapping[str, Any]


def leaves(schema: Schema, defs: Schema, place: str) -> Iterator[tuple[str, Schema]]:
    """Every schema of a value inside a request's schema, with its place."""
    if "$ref" in schema:
        yield from leaves(defs[schema["$ref"].rsplit("/", 1)[1]], defs, place)
        return
    for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from leaves(option, defs, place)
    for name, field in schema.get("properties", {}).items():
        yield from leaves(field, defs, f"{place}/{name}")
    if "type" in schema and "properties" not in schema:
        yield place, schema
        for inner in ("items", "additionalProperties"):
            if isinstance(schema.get(inner), Mapping):
                yield from leaves(schema[inner], defs, f"{place}/*")


def of_requests() -> list[tuple[Operation, str, Schema]]:
    found = []
    for one in operations():
        schema = one.request.model_json_schema()
        found += [(one, place, leaf) for place, leaf in leaves(schema, schema.get("$defs", {}), "")]
    return found


FIELDS = [
    pytest.param(one, place, leaf, id=f"{one.name}{place}-{leaf.get('type')}") for one, place, leaf in of_requests()
]


def longest(leaf: Schema) -> int:
    """How many characters a text may have at most."""
    if "enum" in leaf or "const" in leaf:
        return max(len(str(value)) for value in leaf.get("enum", [leaf.get("const")]))
    widths = [leaf["maxLength"]] if "maxLength" in leaf else []
    pattern = leaf.get("pattern", "")
    if pattern.startswith("^") and pattern.endswith("$"):
        widths.append(int(sre.parse(pattern).getwidth()[1]))
    return min(widths, default=sre.MAXREPEAT)


def test_there_are_fields_to_look_at() -> None:
    assert len(FIELDS) >= 30


@pytest.mark.parametrize(("operation", "place", "leaf"), FIELDS)
def test_every_field_of_every_request_has_a_limit(operation: Operation, place: str, leaf: Schema) -> None:
    match leaf["type"]:
        case "string":
            text = MAX_SERIALIZED if place.endswith(SERIALIZED) else MAX_TEXT
            assert longest(leaf) <= (MAX_HEADERS if operation.service else text)
        case "array":
            assert leaf["maxItems"] <= MAX_LIST
        case "object":
            assert (
                leaf.get("maxProperties", 0 if leaf.get("additionalProperties") is False else MAX_LIST + 1) <= MAX_LIST
            )
        case "integer" | "number":
            assert leaf.keys() >= {"minimum", "maximum"}
        case other:
            assert other in ("boolean", "null")


@pytest.mark.parametrize(("operation", "place", "leaf"), FIELDS)
def test_no_pattern_takes_digits_of_other_scripts(operation: Operation, place: str, leaf: Schema) -> None:
    assert not re.search(r"\\[dwsDWS]", leaf.get("pattern", ""))


def refusals(model: type[Request], name: str, value: object) -> set[str]:
    """Why a model refuses one field, whatever it says about the others."""
    try:
        model.model_validate({name: value}, strict=True)
    except ValidationError as error:
        return {one["type"] for one in error.errors() if one["loc"][0] == name}
    return set()


TOP = [(one, place.strip("/"), leaf) for one, place, leaf in of_requests() if place.count("/") == 1]


@pytest.mark.parametrize(
    ("operation", "name", "leaf"),
    [pytest.param(*top, id=f"{top[0].name}/{top[1]}") for top in TOP if "maxLength" in top[2]],
)
def test_a_text_as_long_as_its_limit_passes_and_a_longer_one_does_not(
    operation: Operation, name: str, leaf: Schema
) -> None:
    limit = leaf["maxLength"]

    assert "string_too_long" not in refusals(operation.request, name, "x" * limit)
    assert "string_too_long" in refusals(operation.request, name, "x" * (limit + 1))


@pytest.mark.parametrize(
    ("operation", "name", "leaf"),
    [pytest.param(*top, id=f"{top[0].name}/{top[1]}") for top in TOP if top[2]["type"] == "integer"],
)
def test_a_number_at_its_limits_passes_and_one_beyond_does_not(operation: Operation, name: str, leaf: Schema) -> None:
    assert not refusals(operation.request, name, leaf["minimum"])
    assert not refusals(operation.request, name, leaf["maximum"])
    assert refusals(operation.request, name, leaf["minimum"] - 1)
    assert refusals(operation.request, name, leaf["maximum"] + 1)


@pytest.mark.parametrize("operation", operations(), ids=lambda one: one.name)
def test_a_page_has_200_entries_at_most_and_any_list_1000(operation: Operation) -> None:
    fields = {name: leaf for one, name, leaf in TOP if one is operation and leaf["type"] == "integer"}
    paged = {"offset", "before", "cursor"} & operation.request.model_fields.keys()

    if "limit" in fields:
        assert fields["limit"]["maximum"] <= (MAX_PAGE if paged else MAX_LIST)
