"""What may be seen of the journal, and by whom.

An aggregate is its tenant's: its first event says whose, and what names nobody is the main tenant's. Another tenant's
is answered like none. What an event keeps under one of the names in SEALED is for the system alone: a signed
transaction that was not sent yet is as good as the money.
"""

from typing import Annotated, Any

from pydantic import Field

from isthmus import journal
from isthmus.access.caller import MAIN_TENANT
from isthmus.failure import NotFound
from isthmus.fields import Response
from isthmus.journal import Event, Head
from isthmus.storage.table import Item, Table

AggregateName = Annotated[
    str,
    Field(
        max_length=512,
        pattern=r"^[a-z][a-z0-9-]*(/[A-Za-z0-9._:%-]+)+$",
        description="name of an aggregate, such as ledger/payment/<id>",
    ),
]

SEALED = frozenset({"macaroon", "mnemonic", "passphrase", "payload", "preimage", "private_key", "secret", "seed"})
"""Names under which events keep what nobody is shown, at any depth."""

Seen = dict[str, Any]


class StateView(Response):
    """An aggregate."""

    aggregate: str
    version: int = Field(description="how many events made it")
    state: str
    data: Seen = Field(description="what its events say, later ones first; amounts in millisatoshi as strings")
    at_ms: int = Field(description="when the last of them happened")
    hash: str = Field(description="SHA-256 over the last event and, through it, over all before")


class EventView(Response):
    """One thing that happened to an aggregate."""

    version: int
    type: str
    state: str = Field(description="after it")
    data: Seen = Field(description="what it adds or changes")
    at_ms: int
    by: str = Field(description="who wanted it")
    previous: str = Field(description="the hash of the event before")
    hash: str


def check_owner(table: Table, tenant: str, aggregate: str) -> None:
    """See that an aggregate is a tenant's.

    Raises:
        NotFound: there is none of this name, or it is another tenant's.
    """
    first = journal.history(table, aggregate, limit=1)
    if not first or first[0].data.get("tenant", MAIN_TENANT) != tenant:
        raise no_aggregate()


def no_aggregate() -> NotFound:
    """There is none, or it is another tenant's: nobody can tell which."""
    return NotFound(
        "There is no such aggregate.",
        next_step="Check its name, and the version if you named one.",
        code="state/no-aggregate",
    )


def view(head: Head) -> StateView:
    """An aggregate for its reader."""
    return StateView(
        aggregate=head.aggregate,
        version=head.version,
        state=head.state,
        data=shown(head.data),
        at_ms=head.at_ms,
        hash=head.hash,
    )


def event_view(event: Event) -> EventView:
    """An event for its reader."""
    return EventView(
        version=event.version,
        type=event.type,
        state=event.state,
        data=shown(event.data),
        at_ms=event.at_ms,
        by=event.by,
        previous=event.previous,
        hash=event.hash,
    )


def shown(data: Item) -> Seen:
    """What of an event's data leaves the system."""
    return {name: _shown(name, value) for name, value in data.items() if name not in SEALED}


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return shown(value)
    if isinstance(value, list):
        return [_shown(name, one) for one in value]
    return str(value) if name.endswith("_msat") and isinstance(value, int) else value
