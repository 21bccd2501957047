"""Why may this caller do this, or what would it need? Found by asking the policies again with something changed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from isthmus.access.caller import Caller, Kind, Role
from isthmus.access.policy import Action, Decision, decide

What = Literal["scope", "amount", "limit", "proof", "tenant", "kind", "role", "caller"]
"""What is missing.

scope: a scope the caller was not given. amount: an amount above zero, which whatever spends has to name. limit: a
higher limit per request. proof: one that is not so old. tenant: to ask for the own one. kind: to come as a DID, not
with an API key. role: another role. caller: none of these, because only the platform itself may do it.
"""

ROLES: tuple[Role, ...] = ("auditor", "client", "operator", "owner")
"""What somebody can be made, from the one who may do the least."""

MACHINES: tuple[Kind, ...] = ("execution", "schedule", "letter")


@dataclass(frozen=True)
class Missing:
    """One thing that would have to be different, and what it would have to be."""

    what: What
    needed: str


@dataclass(frozen=True)
class Explanation:
    """What the policies say; when they refuse, the fewest things that together would make them permit."""

    decision: Decision
    missing: tuple[Missing, ...]


@dataclass(frozen=True)
class _Question:
    caller: Caller
    tenant: str
    amount_msat: int


_Change = Callable[[_Question], _Question]


def explain(
    caller: Caller, action: Action, *, now_ms: int, tenant: str | None = None, amount_msat: int = 0
) -> Explanation:
    """Decide as `decide` does, and say what is missing.

    The answer keeps the caller's role if it can, and names as few things as it can; there may be other ways.
    It asks a few hundred questions at most, each some 0.1 ms.
    """
    asked = _Question(caller, caller.tenant if tenant is None else tenant, amount_msat)

    def answer(question: _Question) -> Decision:
        return decide(question.caller, action, now_ms=now_ms, tenant=question.tenant, amount_msat=question.amount_msat)

    decision = answer(asked)
    if decision.allowed:
        return Explanation(decision, ())
    for missing, question in _others(asked, action, now_ms):
        if answer(question).allowed:
            return Explanation(decision, missing)
    return Explanation(decision, (Missing("caller", "nobody"),))


def _others(asked: _Question, action: Action, now_ms: int) -> Iterator[tuple[tuple[Missing, ...], _Question]]:
    """Questions that differ from the one asked, those with the least difference first."""
    small = _small(asked, action, now_ms)
    yield from _combined(asked, (), small)
    for role in ROLES:
        if role != asked.caller.role:
            changed = replace(asked, caller=replace(asked.caller, role=role))
            yield from _combined(changed, (Missing("role", role),), small)
    for kind in MACHINES:
        yield (Missing("caller", kind),), replace(asked, caller=Caller(kind, "", "system"))


def _combined(
    asked: _Question, before: tuple[Missing, ...], small: Mapping[Missing, _Change]
) -> Iterator[tuple[tuple[Missing, ...], _Question]]:
    for count in range(len(small) + 1):
        for chosen in combinations(small.items(), count):
            question = asked
            for _, change in chosen:
                question = change(question)
            yield (*before, *(missing for missing, _ in chosen)), question


def _small(asked: _Question, action: Action, now_ms: int) -> dict[Missing, _Change]:
    """The changes that leave the role as it is; only those that would change something."""
    caller, spent = asked.caller, max(asked.amount_msat, 1)
    changes: dict[Missing, tuple[bool, _Change]] = {
        Missing("scope", action.scope): (action.scope not in caller.scopes, _with_scope(action.scope)),
        Missing("amount", "1"): (asked.amount_msat < 1, lambda question: replace(question, amount_msat=1)),
        Missing("limit", str(spent)): (spent > caller.max_msat, _with_limit(spent)),
        Missing("proof", "fresh"): (caller.authenticated_ms < now_ms, _with_proof_of(now_ms)),
        Missing("tenant", caller.tenant): (
            asked.tenant != caller.tenant,
            lambda question: replace(question, tenant=caller.tenant),
        ),
        Missing("kind", "did"): (caller.kind != "did", _as_did),
    }
    return {missing: change for missing, (possible, change) in changes.items() if possible}


def _with_scope(scope: str) -> _Change:
    return lambda asked: replace(asked, caller=replace(asked.caller, scopes=(*asked.caller.scopes, scope)))


def _with_limit(max_msat: int) -> _Change:
    return lambda asked: replace(asked, caller=replace(asked.caller, max_msat=max_msat))


def _with_proof_of(now_ms: int) -> _Change:
    return lambda asked: replace(asked, caller=replace(asked.caller, authenticated_ms=now_ms))


def _as_did(asked: _Question) -> _Question:
    return replace(asked, caller=replace(asked.caller, kind="did"))
