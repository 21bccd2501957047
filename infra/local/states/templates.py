"""Payload templates: JSON in which the value of every field `name.$` is a path or intrinsic function to be replaced.

https://states-language.net/spec.html#payload-template
"""

from typing import Any

from infra.local.states.intrinsics import evaluate, parse_expression


def fill(template: Any, data: Any, context: Any) -> Any:
    """The template with its expressions replaced by what they are worth over the input and the context object.

    Raises:
        StatesError: States.Runtime or States.IntrinsicFailure, when an expression cannot be evaluated.
    """
    if isinstance(template, dict):
        return dict(_field(name, value, data, context) for name, value in template.items())
    if isinstance(template, list):
        return [fill(item, data, context) for item in template]
    return template


def _field(name: str, value: Any, data: Any, context: Any) -> tuple[str, Any]:
    if name.endswith(".$"):
        return name[:-2], evaluate(parse_expression(value), data, context)
    return name, fill(value, data, context)
