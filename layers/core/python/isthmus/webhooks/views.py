"""Endpoints and deliveries as operations ask for and answer them."""

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field, PlainSerializer, SecretStr, WithJsonSchema

from isthmus.fields import Request, Response
from isthmus.webhooks.deliveries import Delivery, DeliveryStatus
from isthmus.webhooks.endpoints import Endpoint, Status

EndpointId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", description="id of an endpoint")]
DeliveryId = Annotated[str, Field(pattern=r"^[0-9]{16}$", description="id of a delivery of an endpoint")]
Topic = Annotated[
    str,
    Field(
        max_length=200,
        pattern=r"^[a-z][a-z0-9-]*(\.[a-z0-9-]+)*(\.\*)?$",
        description="kind of aggregate and event, such as ledger.payment.succeeded, or ledger.payment.* for all",
    ),
]
Secret = Annotated[
    SecretStr,
    PlainSerializer(SecretStr.get_secret_value, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^whsec_[A-Za-z0-9+/]{43}=$",
            "description": "what calls are signed with (Standard Webhooks); nobody can show it again",
        }
    ),
]
"""Seen in the answer's JSON, and nowhere else: not in a repr, a log or a traceback."""


class OfEndpoint(Request):
    """Which endpoint."""

    endpoint_id: EndpointId


class EndpointView(Response):
    """Who is called about what; times in milliseconds since the epoch."""

    endpoint_id: EndpointId
    url: str
    topics: tuple[str, ...] = Field(description="none means all")
    status: Status = Field(description="disabled: it has failed for days, or said 410; enable_endpoint calls it again")
    created_ms: int
    created_by: str
    failing_ms: int | None = Field(description="since when every call has failed")
    disabled_ms: int | None
    rotating_until_ms: int | None = Field(description="until when calls are signed with the secret before as well")


class EndpointWithSecret(EndpointView):
    """An endpoint, this once with its secret."""

    secret: Secret


class DeliveryView(Response):
    """What became of one event for one endpoint."""

    delivery_id: DeliveryId
    message_id: str = Field(description="webhook-id: the same in every attempt")
    aggregate: str
    aggregate_version: int
    topic: str
    event_ms: int = Field(description="when the event happened")
    status: DeliveryStatus
    attempts: int
    due_ms: int | None = Field(description="when it is tried next")
    http_status: int | None = Field(description="of the last answer")
    code: str = Field(description="why the last attempt failed; empty when it did not")
    changed_ms: int


def endpoint_view(endpoint: Endpoint, now_ms: int) -> EndpointView:
    """An endpoint for its reader."""
    return EndpointView(**_fields(endpoint, now_ms))


def with_secret(endpoint: Endpoint, now_ms: int) -> EndpointWithSecret:
    """An endpoint for whoever has just made its secret."""
    return EndpointWithSecret(**_fields(endpoint, now_ms), secret=endpoint.secret)


def delivery_view(delivery: Delivery) -> DeliveryView:
    """A delivery for its reader."""
    told = {name: value for name, value in asdict(delivery).items() if name in DeliveryView.model_fields}
    return DeliveryView(**told | {"due_ms": delivery.due_ms or None, "http_status": delivery.http_status or None})


def _fields(endpoint: Endpoint, now_ms: int) -> dict[str, Any]:
    return {
        "endpoint_id": endpoint.endpoint_id,
        "url": endpoint.url,
        "topics": endpoint.topics,
        "status": endpoint.status,
        "created_ms": endpoint.created_ms,
        "created_by": endpoint.created_by,
        "failing_ms": endpoint.failing_ms or None,
        "disabled_ms": endpoint.disabled_ms or None,
        "rotating_until_ms": endpoint.before_until_ms if now_ms < endpoint.before_until_ms else None,
    }
