"""`isthmus call`: call an operation over HTTP; its options are the fields of its request."""

import argparse
import importlib
import json
import os
import sys
import types
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from urllib.parse import quote, urlencode

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from infra.local.client import Answer, send, show, show_problem
from infra.local.home import ROOT
from infra.local.signing import signer, system
from isthmus.failure import FieldError, Invalid, NotFound
from isthmus.fields import FromHeader
from isthmus.operation import Operation

_IN_QUERY = ("GET", "DELETE")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The operation first; everything after it belongs to the operation."""
    parser.add_argument("operation", nargs="?", help="its name, such as get_block; without one, all are listed")
    parser.add_argument("fields", nargs=argparse.REMAINDER, help="--field value ...; --help lists the fields")


def run(options: argparse.Namespace) -> int:
    """Call and print the answer, or the problem."""
    modules = _modules()
    if options.operation is None:
        for name in sorted(modules):
            operation = _load(modules[name], name)
            print(f"{name:24} {operation.summary}")
        return 0
    if options.operation not in modules:
        near = get_close_matches(options.operation, modules, n=1)
        raise NotFound(
            f"There is no operation named {options.operation}.",
            next_step=f"Did you mean {near[0]}?" if near else "`isthmus call` lists them.",
        )
    operation = _load(modules[options.operation], options.operation)
    return _call(operation, _given(operation, options.fields))


def _modules() -> dict[str, str]:
    """The module of each operation, without importing any of them."""
    files = (path for path in Path(ROOT, "functions").glob("*/*.py") if path.stem != "__init__")
    return {path.stem: f"functions.{path.parent.name}.{path.stem}" for path in files}


def _load(module: str, name: str) -> Operation:
    operation: Operation = getattr(importlib.import_module(module), name)
    return operation


def _given(operation: Operation, words: list[str]) -> dict[str, str]:
    """The fields that were given, as text."""
    parser = argparse.ArgumentParser(
        prog=f"isthmus call {operation.name}", description=operation.summary, argument_default=argparse.SUPPRESS
    )
    for name, field in operation.request.model_fields.items():
        if _header(field).startswith(":"):
            continue  # what the request says by being sent at all
        option = f"--{name.replace('_', '-')}"
        shown = (field.description or "").replace("%", "%%")
        if field.default is not None and not field.is_required() and field.default_factory is None:
            shown += f" (default: {field.default})".replace("%", "%%")
        if field.annotation is bool:
            parser.add_argument(option, dest=name, action=argparse.BooleanOptionalAction, help=shown)
        else:
            metavar = name.rpartition("_")[2].upper()
            parser.add_argument(option, dest=name, required=field.is_required(), metavar=metavar, help=shown)
    given = vars(parser.parse_args(words))
    return {name: json.dumps(value) if isinstance(value, bool) else value for name, value in given.items()}


def _call(operation: Operation, given: Mapping[str, str]) -> int:
    if operation.method is None or operation.path in (None, "$default"):
        raise NotFound(
            f"{operation.name} has no route of its own.", next_step=f"Use `isthmus invoke {operation.name}` instead."
        )
    fields = dict(given)
    path = str(operation.path)
    for name in list(fields):
        if "{" + name + "}" in path:
            path = path.replace("{" + name + "}", quote(fields.pop(name), safe=""))
    of_headers = {name: _header(field) for name, field in operation.request.model_fields.items() if _header(field)}
    headers = {"accept": "application/json"} | {
        of_headers[name]: fields.pop(name) for name in of_headers.keys() & fields
    }
    body = None
    if operation.method in _IN_QUERY:
        path += f"?{urlencode(fields)}" if fields else ""
    else:
        headers["content-type"] = "application/json"
        body = json.dumps(_typed(operation.request, fields)).encode()
    if operation.public:
        answer = send(system(os.environ), operation.method, path, body=body, headers=headers)
    else:
        answer = signer(os.environ).send(operation.method, path, body=body, headers=headers)
    if answer.ok:
        show(answer.body)
        return 0
    return refused(answer)


def refused(answer: Answer) -> int:
    """Show a refusal to people; the exit code."""
    if answer.headers.get("content-type", "").startswith(("application/problem+json", "application/json")):
        show_problem(json.loads(answer.body))
    else:
        print(f"The answer has status {answer.status} and is no JSON.", file=sys.stderr)
    return 1


def _typed(model: type[BaseModel], fields: Mapping[str, str]) -> dict[str, Any]:
    """The JSON values of fields that were given as text: lists and objects as JSON, everything else as it is written.

    Raises:
        Invalid: a value does not fit its field.
    """
    values: dict[str, Any] = {}
    refused: list[FieldError] = []
    for name, text in fields.items():
        field = model.model_fields[name]
        adapter: TypeAdapter[Any] = TypeAdapter(_annotated(field))
        try:
            value = adapter.validate_json(text) if _is_nested(field.annotation) else adapter.validate_strings(text)
            values[name] = adapter.dump_python(value, mode="json")
        except ValidationError as error:
            refused += [FieldError(f"--{name.replace('_', '-')}", one["msg"]) for one in error.errors()]
    if refused:
        reasons = "; ".join(f"{one.pointer}: {one.message}" for one in refused)
        raise Invalid(f"Some fields do not fit. {reasons}", next_step="`--help` says what each field takes.")
    return values


def _header(field: FieldInfo) -> str:
    """The header that an HTTPS request has this field in; nothing for a field of its body or query string."""
    return next((mark.name for mark in field.metadata if isinstance(mark, FromHeader)), "")


def _annotated(field: FieldInfo) -> Any:
    """The field's type with its constraints."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def _is_nested(annotation: Any) -> bool:
    """Whether a value of this type is written as JSON: a list, an object or a model."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _is_nested(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return any(_is_nested(one) for one in get_args(annotation) if one is not type(None))
    if origin is Literal:
        return False
    found = origin or annotation
    return isinstance(found, type) and issubclass(found, (list, tuple, set, frozenset, dict, BaseModel))
