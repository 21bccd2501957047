"""Which route of an HTTP API takes a request.

Reference: API Gateway Developer Guide, "Create routes for HTTP APIs": a full match, then the most specific path with
parameters, then the longest greedy one (`{name+}`), then `$default`; a method of its own comes before ANY.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from infra.local.expand import Route

_PARAMETER = re.compile(r"\{(\w+)(\+?)\}")


@dataclass(frozen=True)
class Match:
    """A route and the values of its path parameters."""

    route: Route
    parameters: Mapping[str, str]


def matcher(routes: Iterable[Route]) -> Callable[[str, str], Match | None]:
    """A function from method and decoded path to the route that takes the request, or None."""
    exact = {(route.method, route.path): Match(route, {}) for route in routes if "{" not in route.path}
    default = exact.pop(("$default", "$default"), None)
    patterns = sorted(
        ((_rank(route), re.compile(_expression(route.path)), route) for route in routes if "{" in route.path),
        key=lambda entry: entry[0],
    )

    def match(method: str, path: str) -> Match | None:
        if found := exact.get((method, path)) or exact.get(("ANY", path)):
            return found
        for _, expression, route in patterns:
            if route.method in (method, "ANY") and (values := expression.fullmatch(path)):
                return Match(route, values.groupdict())
        return default

    return match


def _expression(path: str) -> str:
    parts, end = [], 0
    for parameter in _PARAMETER.finditer(path):
        parts += [re.escape(path[end : parameter.start()])]
        parts += [f"(?P<{parameter[1]}>.+)" if parameter[2] else f"(?P<{parameter[1]}>[^/]+)"]
        end = parameter.end()
    return "".join(parts) + re.escape(path[end:])


def _rank(route: Route) -> tuple[tuple[int, ...], bool]:
    """Sorts the most specific first: segment by segment, fixed text before a parameter before a greedy one."""
    kinds = tuple(2 if "+}" in segment else int("{" in segment) for segment in route.path.split("/"))
    return kinds, route.method == "ANY"
