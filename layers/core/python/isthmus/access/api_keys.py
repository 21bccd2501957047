"""API keys: secrets that stand for a caller with a role, scopes, a budget and an end.

A key is `isk_<key id>_<secret>`: 8 and 32 random bytes in hexadecimal. Only the SHA-256 of the whole is stored; a
secret of 256 random bits needs no slow hash. One item under `access/keys` is looked up in every call, so that a
revocation holds from the next call on. A copy without the hash, under the key's tenant, is what is listed. Every call
with a key is noted for 90 days.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from hmac import compare_digest
from secrets import token_hex
from typing import Any

from pydantic import SecretStr

from isthmus.access import principals
from isthmus.access.budgets import Limits
from isthmus.access.caller import Caller, Role
from isthmus.access.principals import Principal
from isthmus.access.scopes import EVERYTHING, narrowed
from isthmus.failure import Conflict, Forbidden, Limited, NotFound, Unauthenticated
from isthmus.storage.table import MAX_PAGE, Absent, Delete, Equals, Item, Put, Table, Write, version

KEYS = "access/keys"
HEADS = "access/keys/of"
"""One item per tenant: keys of a tenant are made one after the other."""

MAX_KEYS = MAX_PAGE
"""Of one tenant. Those that ended are among them until they are forgotten, sooner than usual when there is no room."""

MAX_DAYS = 365
DEFAULT_DAYS = 90
KEPT_DAYS = 90
"""How long uses are kept, and keys after their end."""

DAY_MS = 86_400_000
MAX_USED_FOR = 256
GRANTABLE: Mapping[Role, tuple[Role, ...]] = {
    "owner": ("operator", "auditor", "client"),
    "operator": ("operator", "auditor", "client"),
    "auditor": ("auditor",),
    "client": ("client",),
}
"""Which roles may do no more than a caller of each role: what its keys may have."""

_TOKEN = re.compile(r"isk_([0-9a-f]{16})_[0-9a-f]{64}")
_NOBODYS_HASH = sha256().hexdigest()


@dataclass(frozen=True)
class Wish:
    """What somebody wants a key to be; `days` until it ends."""

    name: str
    role: Role
    scopes: tuple[str, ...]
    days: int
    limits: Limits


@dataclass(frozen=True)
class Key:
    """What is known of a key; times in milliseconds since the epoch, `revoked_ms` is 0 until it is revoked."""

    key_id: str
    name: str
    role: Role
    tenant: str
    scopes: tuple[str, ...]
    max_msat: int
    day_msat: int
    hour_count: int
    created_ms: int
    created_by: str
    expires_ms: int
    revoked_ms: int = 0

    @property
    def end_ms(self) -> int:
        """When it was revoked or expires, whichever is first."""
        return min(self.revoked_ms or self.expires_ms, self.expires_ms)

    @property
    def limits(self) -> Limits:
        """What it may spend."""
        return Limits(self.max_msat, self.day_msat, self.hour_count)

    def ended(self, at_ms: int) -> bool:
        """Whether it was revoked or expired by then."""
        return self.end_ms <= at_ms


@dataclass(frozen=True)
class Use:
    """One call with a key: when, and for what, such as `GET /v1/bitcoin/chain`."""

    at_ms: int
    used_for: str


def create(table: Table, owner_did: str, creator: Caller, wish: Wish, now_ms: int) -> tuple[Key, SecretStr]:
    """Make a key that may do no more than its creator, and say it this once.

    Args:
        table: where it is kept.
        owner_did: the deployment's owner.
        creator: who wants it; the key is of the same tenant.
        wish: what it shall be.
        now_ms: the time.

    Raises:
        Forbidden: the creator is no DID, is not any more what its proof says, or has less than its keys would have.
        Limited: the tenant has too many keys.
        Conflict: another key of the tenant was made at this moment.
    """
    head = table.get(HEADS, creator.tenant)
    rows = table.query(_listed(creator.tenant), limit=MAX_KEYS).rows
    keys = [_key(row.item) for row in rows]
    scopes = _granted(_principal(table, owner_did, creator), creator, wish, keys, now_ms)
    key_id = token_hex(8)
    api_key = SecretStr(f"isk_{key_id}_{token_hex(32)}")
    key = Key(
        key_id=key_id,
        name=wish.name,
        role=wish.role,
        tenant=creator.tenant,
        scopes=scopes,
        **asdict(wish.limits),
        created_ms=now_ms,
        created_by=creator.id,
        expires_ms=now_ms + wish.days * DAY_MS,
    )
    number = 0 if head is None else int(head["version"])
    turn = Put(HEADS, creator.tenant, {"version": number + 1}, version(number) if head else Absent())
    table.transact([turn, *_room(keys, now_ms), *_writes(key, _hash(api_key.get_secret_value()), Absent())])
    return key, api_key


def authenticate(table: Table, owner_did: str, token: str, *, now_ms: int, used_for: str) -> Caller:
    """Who calls with this key; the use is noted.

    A key that nobody has and a wrong secret of one that somebody has get the same answer after the same work, whether
    that one is in force or not. Only who knows the secret learns that it is revoked or expired.

    A key never does more than whoever made it may now, and ends where its maker may not have a key of its role.

    Args:
        table: where keys are kept.
        owner_did: the DID that the deployment belongs to.
        token: the key, as it came from outside.
        now_ms: the time.
        used_for: method and path of the request.

    Raises:
        Unauthenticated: nobody has this key, it is revoked or expired, or its maker may not have it any more.
        Unavailable: the store does not answer, or the use cannot be noted.
    """
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        raise _unknown()
    item = table.get(KEYS, parts[1])
    if not compare_digest(_NOBODYS_HASH if item is None else item["sha256"], _hash(token)) or item is None:
        raise _unknown()
    key = _key(item)
    if key.revoked_ms:
        raise Unauthenticated("The API key is revoked.", next_step="Ask for another one.", code="auth/key-revoked")
    if key.expires_ms <= now_ms:
        raise Unauthenticated("The API key has expired.", next_step="Ask for another one.", code="auth/key-expired")
    maker = principals.find(table, owner_did, key.created_by)
    if maker is None or maker.tenant != key.tenant or key.role not in GRANTABLE.get(maker.role, ()):
        raise Unauthenticated(
            "Whoever made the API key has no longer the access that it needs.",
            next_step="Ask for another one.",
            code="auth/key-revoked",
        )
    _note_use(table, key.key_id, now_ms, used_for)
    scopes = narrowed(key.scopes, maker.scopes) if key.scopes else ()
    return Caller("key", key.key_id, key.role, key.tenant, scopes, now_ms, min(key.max_msat, maker.max_msat))


def find(table: Table, key_id: str) -> Key | None:
    """The key of this id, whoever's it is."""
    item = table.get(KEYS, key_id)
    return None if item is None else _key(item)


def newest(table: Table, tenant: str, limit: int, after: str | None = None) -> tuple[list[Key], str | None]:
    """A tenant's keys, the newest first, and what to go on after."""
    page = table.query(_listed(tenant), after=after, limit=limit, reverse=True)
    return [_key(row.item) for row in page.rows], page.after


def revoke(table: Table, tenant: str, key_id: str, now_ms: int) -> Key:
    """Revoke a tenant's key; one that is revoked stays as it is.

    Raises:
        NotFound: the tenant has no such key.
    """
    item = _owned(table, tenant, key_id)
    if item["revoked_ms"]:
        return _key(item)
    with suppress(Conflict):  # somebody else revoked it at this moment
        table.transact(_writes(replace(_key(item), revoked_ms=now_ms), item["sha256"], Equals("revoked_ms", 0)))
    return _key(_owned(table, tenant, key_id))


def uses(table: Table, tenant: str, key_id: str, limit: int, after: str | None = None) -> tuple[list[Use], str | None]:
    """What a tenant's key was used for, the newest first, and what to go on after.

    Raises:
        NotFound: the tenant has no such key.
    """
    _owned(table, tenant, key_id)
    page = table.query(_used(key_id), after=after, limit=limit, reverse=True)
    return [Use(int(row.item["at_ms"]), str(row.item["used_for"])) for row in page.rows], page.after


def _principal(table: Table, owner_did: str, creator: Caller) -> Principal:
    """The creator as it stands now: an access token is good for five minutes more, a key would be for a year."""
    if creator.kind != "did":
        raise Forbidden(
            "API keys are made by who proves a DID, and by nobody else.",
            next_step="Ask with a DPoP access token or a signature (RFC 9421).",
            code="access/key-by-key",
        )
    principal = principals.find(table, owner_did, creator.id)
    if principal is None or (principal.role, principal.tenant) != (creator.role, creator.tenant):
        raise Forbidden(
            "The caller is no longer what its proof says.",
            next_step="Get a new access token, and see what it may do.",
            code="access/changed",
        )
    return principal


def _room(keys: Sequence[Key], now_ms: int) -> list[Write]:
    """What makes room for another key, where there is none: the key that ended first is forgotten.

    Raises:
        Limited: all keys are in force, or were within the last day.
    """
    if len(keys) < MAX_KEYS:
        return []
    first = min(keys, key=lambda key: key.end_ms)
    if not first.ended(now_ms - DAY_MS):
        raise Limited(
            f"The tenant has {MAX_KEYS} API keys.",
            next_step="Revoke keys that nobody needs; a day after its end a key makes room for another.",
            code="access/too-many-keys",
        )
    return [Delete(KEYS, first.key_id), Delete(_listed(first.tenant), _place(first))]


def _granted(principal: Principal, creator: Caller, wish: Wish, others: Iterable[Key], now_ms: int) -> tuple[str, ...]:
    """The key's scopes, if its creator may make it; `*` means all that the creator has now.

    All keys of one creator together may spend what the creator may, lest a limit is passed by making more keys, or by
    revoking those whose limit is used up.
    """
    # Nothing asked for means everything to `narrowed`, but nothing left of what was asked for means nothing here.
    held = narrowed(creator.scopes, principal.scopes) if creator.scopes else ()
    granted = narrowed(wish.scopes, held) if wish.scopes else ()
    own = [key for key in others if key.created_by == principal.did and not key.ended(now_ms - DAY_MS)]
    most = Limits(
        min(principal.max_msat, creator.max_msat),
        principal.day_msat - sum(key.day_msat for key in own),
        principal.hour_count - sum(key.hour_count for key in own),
    )
    more = []
    if wish.role not in GRANTABLE.get(creator.role, ()):
        more.append("role")
    if EVERYTHING not in wish.scopes and not set(wish.scopes) <= set(granted):
        more.append("scopes")
    more += [name for name, value in asdict(wish.limits).items() if value > asdict(most)[name]]
    if more:
        raise Forbidden(
            f"The key would have more than its creator has left to give: {', '.join(more)}.",
            next_step="Ask for less; all keys of one creator share its limits, and no key is an owner.",
            code="access/more-than-own",
        )
    return granted


def _writes(key: Key, digest: str, when: Absent | Equals) -> list[Write]:
    """The key, and its copy in the tenant's list."""
    shown = asdict(key) | {"scopes": list(key.scopes), "expires_at": _kept_until_s(key.end_ms)}
    kept = Put(KEYS, key.key_id, shown | {"sha256": digest}, when)
    return [kept, Put(_listed(key.tenant), _place(key), shown)]


def _note_use(table: Table, key_id: str, now_ms: int, used_for: str) -> None:
    text = used_for[:MAX_USED_FOR].encode(errors="replace").decode()
    item = {"at_ms": now_ms, "used_for": text, "expires_at": _kept_until_s(now_ms)}
    table.put(_used(key_id), f"{now_ms:013d}-{token_hex(8)}", item)


def _owned(table: Table, tenant: str, key_id: str) -> Item:
    item = table.get(KEYS, key_id)
    if item is None or item["tenant"] != tenant:
        raise NotFound("There is no such API key.", next_step="`list_keys` shows those there are.", code="access/key")
    return item


def _key(item: Item) -> Key:
    known: dict[str, Any] = {field.name: item[field.name] for field in fields(Key)}
    return Key(**known | {"scopes": tuple(item["scopes"])})


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _listed(tenant: str) -> str:
    return f"{HEADS}/{tenant}"


def _place(key: Key) -> str:
    """The key's place in its tenant's list."""
    return f"{key.created_ms:013d}-{key.key_id}"


def _used(key_id: str) -> str:
    return f"{KEYS}/{key_id}/usage"


def _kept_until_s(end_ms: int) -> int:
    return (end_ms + KEPT_DAYS * DAY_MS) // 1000


def _unknown() -> Unauthenticated:
    return Unauthenticated(
        "Nobody has this API key.",
        next_step="Send `Authorization: Bearer isk_<key id>_<secret>` as the key was shown when it was made.",
        code="auth/key",
    )
