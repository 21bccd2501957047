"""Principals: the DIDs that may call, and what each was given.

Each stands in the table twice, written together: under `access/principals`, where the authorizer finds it by its DID
alone, and under `access/principals/<tenant>`, where everybody else looks, so that what belongs to another tenant is not
found at all. The deployment's owner needs neither: its DID is a setting, and nothing here changes it.
"""

from dataclasses import asdict, dataclass

from isthmus.access import scopes
from isthmus.access.caller import MAIN_TENANT, Caller, Role
from isthmus.failure import Conflict, Forbidden, NotFound
from isthmus.fields import MAX_MSAT
from isthmus.storage.table import Absent, Delete, Equals, Item, Put, Table, Write

PARTITION = "access/principals"
MAX_HOUR_COUNT = 1_000_000


@dataclass(frozen=True)
class Principal:
    """One DID and what it was given.

    Args:
        did: who.
        role: what the policies go by.
        tenant: whose things it may see and use.
        scopes: `<domain>:<effect>`, or `*`.
        max_msat: the most that one request may spend, in millisatoshi.
        day_msat: the most that all requests of a day may spend, in millisatoshi.
        hour_count: how many requests that spend it may make in an hour.
        created_ms: when it was given this, in milliseconds since the epoch.
        created_by: who gave it, a DID.
    """

    did: str
    role: Role
    tenant: str
    scopes: tuple[str, ...]
    max_msat: int
    day_msat: int
    hour_count: int
    created_ms: int
    created_by: str


def find(table: Table, owner_did: str, did: str) -> Principal | None:
    """Who a DID is to this deployment, of whatever tenant; None for a stranger. Only for finding out who calls."""
    if owner_did and did == owner_did:
        return Principal(
            did, "owner", MAIN_TENANT, (scopes.EVERYTHING,), MAX_MSAT, MAX_MSAT, MAX_HOUR_COUNT, 0, owner_did
        )
    item = table.get(PARTITION, did)
    return None if item is None else _principal(item)


def of_tenant(table: Table, tenant: str, did: str) -> Principal:
    """A principal of a tenant.

    Raises:
        NotFound: the tenant has none of this DID, whether or not another tenant has.
    """
    item = table.get(_of(tenant), did)
    if item is None:
        raise missing()
    return _principal(item)


def listed(table: Table, tenant: str, *, after: str | None, limit: int) -> tuple[list[Principal], str | None]:
    """Some principals of a tenant, by DID, and the DID to go on after; None when there are no more."""
    page = table.query(_of(tenant), after=after, limit=limit)
    return [_principal(row.item) for row in page.rows], page.after


def grant(table: Table, owner_did: str, given: Principal, by: Caller) -> Principal:
    """Let a DID be a principal, or what it has be replaced by this.

    Raises:
        Conflict: the DID is the deployment's owner, belongs to another tenant, or was changed just now.
        Forbidden: who gives is no owner any more, or gives more than it has.
    """
    _spare_the_owner(owner_did, given.did)
    _check_more(_still_owner(table, owner_did, by), by, given)
    before = table.get(PARTITION, given.did)
    if before is not None and before["tenant"] != given.tenant and by.tenant != MAIN_TENANT:
        raise Conflict(
            "This DID cannot be granted anything here.",
            next_step="Ask for another DID of the same holder, or ask the owner of the deployment.",
            code="access/did-taken",
        )
    item: Item = asdict(given) | {"scopes": list(given.scopes)}
    unchanged = Absent() if before is None else Equals("tenant", before["tenant"])
    writes: list[Write] = [
        Put(PARTITION, given.did, item, when=unchanged),
        Put(_of(given.tenant), given.did, item),
    ]
    if before is not None and before["tenant"] != given.tenant:
        writes.append(Delete(_of(before["tenant"]), given.did))
    table.transact(writes)
    return given


def revoke(table: Table, owner_did: str, tenant: str, did: str, by: Caller) -> Principal:
    """Take from a tenant's DID all that it was given; returns what that was.

    Raises:
        Conflict: the DID is the deployment's owner, or was moved to another tenant just now.
        Forbidden: who takes it is no owner any more.
        NotFound: the tenant has none of this DID.
    """
    _spare_the_owner(owner_did, did)
    had = of_tenant(table, tenant, did)
    _still_owner(table, owner_did, by)
    table.transact([Delete(PARTITION, did, when=Equals("tenant", tenant)), Delete(_of(tenant), did)])
    return had


def caller_of(principal: Principal, authenticated_ms: int) -> Caller:
    """The caller that a principal is once it has proved who it is."""
    return Caller(
        "did",
        principal.did,
        principal.role,
        principal.tenant,
        principal.scopes,
        authenticated_ms,
        principal.max_msat,
    )


def missing() -> NotFound:
    """The one answer for what is not there and for what is another tenant's."""
    return NotFound(
        "There is no such principal.",
        next_step="GET /v1/access/principals lists those there are.",
        code="access/principal",
    )


def _still_owner(table: Table, owner_did: str, by: Caller) -> Principal:
    """Who decides, as it stands now: an access token is good for five minutes more, what it decides for ever."""
    giver = find(table, owner_did, by.id)
    if giver is None or giver.role != "owner" or giver.tenant != by.tenant:
        raise Forbidden(
            "The caller is no longer an owner.", next_step="Ask an owner to do this.", code="access/no-owner"
        )
    return giver


def _check_more(giver: Principal, by: Caller, given: Principal) -> None:
    held = scopes.narrowed(by.scopes, giver.scopes) if by.scopes else ()
    if (
        set(given.scopes) - set(scopes.narrowed(given.scopes, held))
        or given.max_msat > min(giver.max_msat, by.max_msat)
        or given.day_msat > giver.day_msat
        or given.hour_count > giver.hour_count
    ):
        raise Forbidden(
            "Nobody gives more than it has.",
            next_step="Give scopes and limits within your own.",
            code="access/more-than-own",
        )


def _spare_the_owner(owner_did: str, did: str) -> None:
    if did == owner_did:
        raise Conflict(
            "This DID owns the deployment, and what it may is fixed.",
            next_step="To change the owner, deploy with another OwnerDid.",
            code="access/owner",
        )


def _of(tenant: str) -> str:
    return f"{PARTITION}/{tenant}"


def _principal(item: Item) -> Principal:
    return Principal(**(item | {"scopes": tuple(item["scopes"])}))
