"""Endpoints: who wants to be called, about what, and how far in the feed each has come.

    webhooks/endpoints       <tenant>/<endpoint id>   address, topics, secrets, whether it works
    webhooks/progress        <endpoint id>            version: up to which number of the feed deliveries were made

Secrets are kept as they are, because what is signed with them has to be made again; the table is encrypted at rest, and
only the answer that makes one shows it.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from secrets import token_hex
from typing import Any, Literal

from pydantic import SecretStr

from isthmus.access import principals
from isthmus.access.caller import Caller
from isthmus.failure import Conflict, Limited, NotFound
from isthmus.storage.table import Absent, Delete, Item, Put, Table, version
from isthmus.webhooks.signing import new_secret

ENDPOINTS = "webhooks/endpoints"
PROGRESS = "webhooks/progress"
MAX_ENDPOINTS = 20
"""Of one tenant."""

OVERLAP_MS = 24 * 3_600_000
"""How long what is sent is signed with the secret before as well."""

Status = Literal["enabled", "disabled"]


@dataclass(frozen=True)
class Endpoint:
    """Who wants to be called.

    Args:
        topics: such as `ledger.payment.succeeded` or `ledger.payment.*`; none means all.
        status: disabled endpoints are not called; where they are in the feed is kept.
        failing_ms: since when every call has failed; 0 when the last one did not.
        disabled_ms: when it was disabled; 0 when it is not.
        secret: what calls are signed with.
        before: the secret before, valid until `before_until_ms`.
    """

    endpoint_id: str
    tenant: str
    url: str = field(repr=False)
    topics: tuple[str, ...]
    status: Status
    created_ms: int
    created_by: str
    failing_ms: int
    disabled_ms: int
    secret: SecretStr
    before: SecretStr
    before_until_ms: int
    version: int

    def wants(self, tenant: str, topic: str) -> bool:
        """Whether an event of a tenant is for it."""
        return tenant == self.tenant and (not self.topics or any(_fits(one, topic) for one in self.topics))

    def secrets(self, now_ms: int) -> list[SecretStr]:
        """What a call is signed with now."""
        return [self.secret, *([self.before] if now_ms < self.before_until_ms else [])]


def create(table: Table, caller: Caller, url: str, topics: tuple[str, ...], *, start: int, now_ms: int) -> Endpoint:
    """Make an endpoint of the caller's tenant that is called about what comes after a number of the feed.

    Raises:
        Limited: the tenant has too many.
    """
    if len(of_tenant(table, caller.tenant)) >= MAX_ENDPOINTS:
        raise Limited(
            f"The tenant has {MAX_ENDPOINTS} endpoints.",
            next_step="Delete one that nobody needs, or let one serve more topics.",
            code="webhooks/too-many",
        )
    made = Endpoint(
        endpoint_id=token_hex(8),
        tenant=caller.tenant,
        url=url,
        topics=topics,
        status="enabled",
        created_ms=now_ms,
        created_by=caller.id,
        failing_ms=0,
        disabled_ms=0,
        secret=new_secret(),
        before=SecretStr(""),
        before_until_ms=0,
        version=1,
    )
    table.transact(
        [
            Put(ENDPOINTS, _key(made.tenant, made.endpoint_id), _item(made), Absent()),
            Put(PROGRESS, made.endpoint_id, {"version": start}, Absent()),
        ]
    )
    return made


def find(table: Table, tenant: str, endpoint_id: str) -> Endpoint | None:
    """An endpoint of a tenant."""
    item = table.get(ENDPOINTS, _key(tenant, endpoint_id))
    return None if item is None else _endpoint(item)


def owned(table: Table, tenant: str, endpoint_id: str) -> Endpoint:
    """An endpoint of a tenant.

    Raises:
        NotFound: it has none of this id, whoever else has.
    """
    found = find(table, tenant, endpoint_id)
    if found is None:
        raise NotFound("There is no such endpoint.", next_step="list_endpoints shows them.", code="webhooks/endpoint")
    return found


def of_tenant(table: Table, tenant: str) -> list[Endpoint]:
    """The endpoints of a tenant."""
    rows = table.query(ENDPOINTS, prefix=f"{tenant}/", limit=MAX_ENDPOINTS * 2).rows
    return [_endpoint(row.item) for row in rows]


def everybody(table: Table) -> Iterator[Endpoint]:
    """The endpoints of all tenants."""
    after: str | None = None
    while True:
        page = table.query(ENDPOINTS, after=after)
        yield from (_endpoint(row.item) for row in page.rows)
        after = page.after
        if after is None:
            return


def delete(table: Table, endpoint: Endpoint) -> None:
    """Forget an endpoint; what waits for it is never sent."""
    table.transact(
        [Delete(ENDPOINTS, _key(endpoint.tenant, endpoint.endpoint_id)), Delete(PROGRESS, endpoint.endpoint_id)]
    )


def rotate(table: Table, endpoint: Endpoint, now_ms: int) -> Endpoint:
    """Give an endpoint a new secret; the one before is valid for a day more.

    Raises:
        Conflict: it was changed at this moment, or the secret before that one is still valid.
    """
    if now_ms < endpoint.before_until_ms:
        raise Conflict(
            "The secret was changed within the last day, and the one before is still valid.",
            next_step="Wait until the day is over, or delete the endpoint if a secret is known to others.",
            code="webhooks/rotating",
        )
    return save(
        table,
        replace(endpoint, secret=new_secret(), before=endpoint.secret, before_until_ms=now_ms + OVERLAP_MS),
    )


def enable(table: Table, endpoint: Endpoint, by: str) -> Endpoint:
    """Call it again, from where it was in the feed; it is as good as made by whoever wants that.

    Raises:
        Conflict: it was changed at this moment.
    """
    if endpoint.status == "enabled":
        return endpoint
    return save(table, replace(endpoint, status="enabled", failing_ms=0, disabled_ms=0, created_by=by))


def orphaned(table: Table, owner_did: str, endpoint: Endpoint) -> bool:
    """Whether whoever made the endpoint has no access to its tenant any more."""
    maker = principals.find(table, owner_did, endpoint.created_by)
    return maker is None or maker.tenant != endpoint.tenant


def disable(table: Table, endpoint: Endpoint, now_ms: int) -> Endpoint:
    """Call it no more, until somebody enables it."""
    return save(table, replace(endpoint, status="disabled", disabled_ms=now_ms))


def save(table: Table, endpoint: Endpoint) -> Endpoint:
    """Write an endpoint that was changed.

    Raises:
        Conflict: somebody else changed it meanwhile.
    """
    saved = replace(endpoint, version=endpoint.version + 1)
    key = _key(endpoint.tenant, endpoint.endpoint_id)
    table.put(ENDPOINTS, key, _item(saved), when=version(endpoint.version))
    return saved


def _fits(wanted: str, topic: str) -> bool:
    return topic.startswith(wanted[:-1]) if wanted.endswith(".*") else topic == wanted


def _key(tenant: str, endpoint_id: str) -> str:
    return f"{tenant}/{endpoint_id}"


def _item(endpoint: Endpoint) -> Item:
    return asdict(endpoint) | {
        "topics": list(endpoint.topics),
        "secret": endpoint.secret.get_secret_value(),
        "before": endpoint.before.get_secret_value(),
    }


def _endpoint(item: Item) -> Endpoint:
    told: dict[str, Any] = item | {
        "topics": tuple(item["topics"]),
        "secret": SecretStr(item["secret"]),
        "before": SecretStr(item["before"]),
    }
    return Endpoint(**told)
