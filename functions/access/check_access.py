"""Ask whether something would be allowed."""

from pydantic import Field

from isthmus.access import actions, principals
from isthmus.access.explain import What, explain
from isthmus.access.policy import decide
from isthmus.failure import Forbidden, NotFound, Unavailable
from isthmus.fields import Did, Msat, Request, Response, TenantName
from isthmus.operation import Effect, operation
from isthmus.ports import Caller, Clock, Deployment, Table


class CheckAccess(Request):
    """What would be done, and by whom."""

    operation: str = Field(
        max_length=100, pattern=r"^([a-z]+\.)?[a-z][a-z0-9_]*$", description="an operation's name, such as `get_block`"
    )
    amount_msat: Msat = Field(default=1, description="the most it would spend, in millisatoshi, if it spends")
    tenant: TenantName | None = Field(default=None, description="whose things it is about; without it: the asker's own")
    did: Did | None = Field(default=None, description="who would do it; without it: the caller")


class MissingView(Response):
    """One thing that would have to be different."""

    what: What
    needed: str = Field(description="the scope, the role, the limit in millisatoshi, the tenant or the kind of caller")


class AccessCheck(Response):
    """Whether it would be allowed now, and otherwise the fewest things that together are missing."""

    allowed: bool
    policies: tuple[str, ...] = Field(description="the policies that say so; none when nothing permits it")
    missing: tuple[MissingView, ...]


@operation("POST /v1/access/check", effect=Effect.READ, errors=(Forbidden, NotFound, Unavailable))
def check_access(
    request: CheckAccess, caller: Caller, table: Table, clock: Clock, deployment: Deployment
) -> AccessCheck:
    """Whether an operation would be allowed, which policies say so, and what is missing."""
    now = clock.now_ms()
    action = actions.find(request.operation)
    who = _whom(request.did, caller, table, deployment, now)
    found = explain(who, action, now_ms=now, tenant=request.tenant, amount_msat=request.amount_msat)
    return AccessCheck(
        allowed=found.decision.allowed,
        policies=found.decision.policies,
        missing=tuple(MissingView.model_validate(one, from_attributes=True) for one in found.missing),
    )


def _whom(did: str | None, caller: Caller, table: Table, deployment: Deployment, now: int) -> Caller:
    """Who it is asked about: whoever may list the principals of a tenant may ask about each of them.

    Raises:
        Forbidden: the caller may ask about itself only, whether or not the other exists.
        NotFound: there is no such DID where the caller may look.
    """
    if did is None or did == caller.id:
        return caller
    looking = actions.find("list_principals")
    if not decide(caller, looking, now_ms=now).allowed:
        raise Forbidden("The caller may ask about itself only.", next_step="Leave out `did`.", code="access/others")
    found = principals.find(table, deployment.owner, did)
    if found is None or not decide(caller, looking, now_ms=now, tenant=found.tenant).allowed:
        raise principals.missing()
    return principals.caller_of(found, now)
