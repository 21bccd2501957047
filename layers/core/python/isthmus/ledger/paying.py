"""Paying for a request: what every operation that spends has in common."""

from typing import Any, Protocol, TypeVar

from isthmus.access.caller import Caller
from isthmus.access.limits import limits_of
from isthmus.fields import Response
from isthmus.journal import Head
from isthmus.ledger.answers import settled
from isthmus.ledger.engine import Ledger
from isthmus.ledger.records import Intent

R = TypeVar("R", bound=Response)


class Keyed(Protocol):
    """A request with an Idempotency-Key."""

    @property
    def idempotency_key(self) -> str:
        """The key."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """The fields, as pydantic gives them."""


def pay(ledger: Ledger, operation: str, request: Keyed, asked: Any, caller: Caller, owner_did: str) -> Head:
    """Make a request's payment happen once, within the caller's limits; the payment, which succeeded.

    Args:
        ledger: with the one connector that does it.
        operation: `bitcoin.send_payment`.
        request: as it was sent; the same key with another one is refused.
        asked: what the connector prepares from.
        caller: who wants it.
        owner_did: the DID that the deployment belongs to.

    Raises:
        Conflict: the key was used for another request.
        Limited: the caller's budget is used up; nothing was sent.
        Unknown: no definite answer yet; the location says what became of it.
        Failure: whatever the connector refuses; nothing was sent.
    """
    (connector,) = ledger.connectors
    intent = Intent(operation, connector, caller, request.idempotency_key, request.model_dump(mode="json"))
    return settled(ledger.pay(intent, asked, limits_of(ledger.table, owner_did, caller)))


def told(model: type[R], head: Head, **more: Any) -> R:
    """The answer about a payment: its id, what its connector says of it under the answer's names, and more."""
    known = head.data["detail"] | {"payment_id": head.data["payment_id"]} | more
    return model(**{name: known[name] for name in model.model_fields})
