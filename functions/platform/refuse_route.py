"""Answer what no route answers."""

from isthmus.failure import NotFound
from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation


class AnyRoute(Request):
    """Whatever was asked: nothing of it is read."""


@operation("$default", effect=Effect.READ, public=True, errors=(NotFound,))
def refuse_route(request: AnyRoute) -> Response:
    """Refuse a request that fits no route.

    Raises:
        NotFound: always.
    """
    raise NotFound(
        "There is no such route.", next_step="GET /v1/openapi.json lists the routes there are.", code="platform/route"
    )
