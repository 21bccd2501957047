"""The reference pages: one for each kind of problem, one for each domain of operations."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from infra.template.openapi import components, is_derived, reached, routed
from infra.template.problems import possible, tree
from isthmus.failure import Failure, Repeat
from isthmus.operation import Operation
from isthmus.ports import COSTS

REPEAT: dict[Repeat, str] = {
    "same-key": "Yes, the same request again: it is done at most once.",
    "later": "Yes, the same request, after a while; `retry_after_ms` says how long if that is known.",
    "change-request": "Only a changed request: this one will get the same answer.",
    "new-intent": "Only as a new decision: the answer to this one is final.",
    "never": "No: the answer will be the same.",
}
_MONEY = """\
`money_moved` is `no` unless the document says otherwise; `unknown` means that an effect may have happened, so look \
before you repeat anything.
"""


def error_pages() -> dict[str, str]:
    """The page of each kind of problem, by file name."""
    kinds = groupby(sorted(tree(), key=lambda failure: failure.kind), key=lambda failure: failure.kind)
    return {f"{kind}.md": "\n".join(_error_page(kind, list(failures))) for kind, failures in kinds}


def _error_page(kind: str, failures: list[type[Failure]]) -> Iterator[str]:
    first = failures[0]
    yield f"# {first.title}\n"
    yield f"Problem type `/problems/{kind}`, severity {first.severity}.\n"
    yield "| failure | status | title | what it means |"
    yield "|---|---|---|---|"
    for failure in failures:
        yield f"| `{failure.__name__}` | {failure.status} | {failure.title} | {_first_line(failure.__doc__)} |"
    yield f"\n**May I repeat?** {REPEAT[first.repeat]} (`repeat`: `{first.repeat}`)\n"
    yield f"**Did money move?** {_MONEY}"
    yield "**What next?** `next_step` says it in one sentence; `instance` finds the request in the logs.\n"


def operation_pages(operations: Iterable[Operation]) -> dict[str, str]:
    """The page of each domain, by file name."""
    listed = tuple(operations)
    schemas = components(listed)
    domains = groupby(sorted(listed, key=lambda one: (one.domain, one.name)), key=lambda one: one.domain)
    return {f"{domain}.md": "\n".join(_domain_page(domain, list(group), schemas)) for domain, group in domains}


def _domain_page(domain: str, operations: list[Operation], schemas: Mapping[str, Any]) -> Iterator[str]:
    yield f"# Operations: {domain}\n"
    yield "| operation | route | asks for | effect | schedule | ports | summary |"
    yield "|---|---|---|---|---|---|---|"
    for operation in operations:
        ports = ", ".join(port.__name__ for port in operation.ports.values() if port in COSTS)
        yield (
            f"| [`{operation.name}`](#{operation.name}) | {_code(operation.route)} | {_asked(operation)} "
            f"| {operation.effect.value} | {_started(operation)} | {ports} | {operation.summary} |"
        )
    for operation in operations:
        yield from _section(operation, schemas)
    yield "\n## Models"
    for model in _models(operations, schemas):
        yield f"\n### {model}\n"
        yield from _fields(schemas[model])
    yield ""


def _section(operation: Operation, schemas: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n## {operation.name}\n"
    yield operation.summary
    yield f"\n**Asks for** {_asked(operation)}"
    yield f"\n**Request** `{operation.request.__name__}`\n"
    yield from _fields(schemas[operation.request.__name__])
    yield f"\n**Response** {_link(operation.response.__name__)}, status {operation.status}"
    failures = possible(operation) if routed([operation]) else operation.errors
    if failures:
        links = (f"[{failure.__name__}](../errors/{failure.kind}.md) {failure.status}" for failure in failures)
        yield f"\n**Failures** {', '.join(links)}"


def _started(operation: Operation) -> str:
    """When it starts by itself."""
    return _code(operation.schedule) + (f", and when `{operation.follows}` has news" if operation.follows else "")


def _asked(operation: Operation) -> str:
    """What a caller needs: nothing, the scope, or to be what the platform starts the operation as."""
    if operation.public:
        return "nothing, public"
    return f"`{operation.scope}`" if operation.route else f"`{operation.scope}`, not over HTTPS"


def _fields(schema: Mapping[str, Any]) -> Iterator[str]:
    fields = {name: field for name, field in schema.get("properties", {}).items() if not is_derived(field)}
    if not fields:
        yield "No fields." if schema.get("type") == "object" else f"{_type(schema)}."
        return
    yield "| field | type | required | meaning |"
    yield "|---|---|---|---|"
    for name, field in fields.items():
        required = "yes" if name in schema.get("required", []) else "no"
        meaning = (f"header `{field['x-header']}`: " if "x-header" in field else "") + field.get("description", "")
        yield f"| `{name}` | {_type(field)} | {required} | {_cell(meaning)} |"


def _models(operations: list[Operation], schemas: Mapping[str, Any]) -> list[str]:
    """The names of the responses and of every model inside a response or a request."""
    answers = {operation.response.__name__ for operation in operations}
    asked = (schemas[operation.request.__name__] for operation in operations)
    return sorted(answers | reached([*asked, *(schemas[name] for name in answers)], schemas))


def _type(schema: Mapping[str, Any]) -> str:
    """One short phrase for a JSON schema: `integer from 0 to 100`, `list of Hex32`."""
    if "$ref" in schema:
        return _link(schema["$ref"].rsplit("/", 1)[1])
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_type(option) for option in options)
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}{_limits(schema, 'minItems', 'maxItems')}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"map of {_type(schema['additionalProperties'])}"
    text = str(schema.get("type", "any JSON"))
    pattern = " like " + _cell(_code(schema["pattern"])) if "pattern" in schema else ""
    return text + pattern + _limits(schema, "minimum", "maximum") + _limits(schema, "minLength", "maxLength")


def _limits(schema: Mapping[str, Any], low: str, high: str) -> str:
    from_, to = schema.get(low), schema.get(high)
    return (f" from {from_}" if from_ is not None else "") + (f" to {to}" if to is not None else "")


def _link(model: str) -> str:
    return f"[`{model}`](#{model.lower()})"


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _first_line(doc: str | None) -> str:
    return (doc or "").strip().split("\n")[0]
