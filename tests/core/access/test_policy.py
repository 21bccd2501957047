"""What the policies decide, also for operations that nobody has written yet."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.access import policy
from isthmus.access.caller import ANONYMOUS, ROLES, Caller
from isthmus.access.policy import Action, decide
from isthmus.failure import Defect
from isthmus.fields import MAX_MSAT

NOW_MS = 1_800_000_000_000
FRESH = {"authenticated_ms": NOW_MS, "max_msat": 1_000}

KINDS = ("did", "key", "execution", "schedule", "letter", "anonymous")
REACHED = ("routed", "scheduled", "returned", "public")
DOMAINS = ("access", "bitcoin", "faults", "pipeline", "lightning")
SCOPES = ("*", *(f"{domain}:{effect}" for domain in DOMAINS for effect in ("read", "change", "spend")))


def action(domain: str = "bitcoin", effect: str = "read", *reached: str) -> Action:
    return Action(f"{domain}.something", f"{domain}:{effect}", (effect, domain, *(reached or ("routed",))))


def person(role: str, *scopes: str, **other: Any) -> Caller:
    return Caller("did", f"did:key:z{role}", role, scopes=scopes, **(FRESH | other))  # type: ignore[arg-type]


actions = st.builds(
    lambda domain, effect, reached: action(domain, effect, *reached),
    st.sampled_from(DOMAINS),
    st.sampled_from(("read", "change", "spend")),
    st.lists(st.sampled_from(REACHED), min_size=1, unique=True),
)
callers = st.builds(
    Caller,
    st.sampled_from(KINDS),
    st.text(max_size=20),
    st.sampled_from(ROLES),
    tenant=st.sampled_from(("main", "other")),
    scopes=st.lists(st.sampled_from(SCOPES), unique=True, max_size=5).map(tuple),
    authenticated_ms=st.sampled_from((0, NOW_MS)),
    max_msat=st.sampled_from((0, 1_000, MAX_MSAT)),
)
tenants = st.sampled_from((None, "main", "other"))
amounts = st.sampled_from((-1, 0, 1, 1_000, 1_001, MAX_MSAT))


def allowed(caller: Caller, asked: Action, **about: Any) -> bool:
    return decide(caller, asked, now_ms=NOW_MS, **about).allowed


def test_a_decision_names_the_policies_that_made_it() -> None:
    assert decide(person("auditor", "*"), action(), now_ms=NOW_MS).policies == ("auditors-may-read",)
    refused = decide(person("client"), action(effect="spend"), now_ms=NOW_MS, amount_msat=1_001)
    assert refused.policies == ("nobody-acts-beyond-its-scopes", "nobody-spends-beyond-its-limit")


def test_what_nothing_permits_is_refused_by_no_policy() -> None:
    decision = decide(person("auditor", "*"), action(effect="change"), now_ms=NOW_MS)
    assert (decision.allowed, decision.policies) == (False, ())


def test_the_names_are_those_of_the_policies_and_not_of_their_places() -> None:
    lines = policy.POLICIES.read_text().splitlines()
    ids = [line.removeprefix('@id("').removesuffix('")') for line in lines if line.startswith("@id(")]
    assert len(ids) == len(set(ids)) == sum(line.startswith(("permit (", "forbid (")) for line in lines)


def test_a_policy_that_cannot_be_evaluated_allows_nothing() -> None:
    with pytest.raises(Defect) as raised:
        decide(person("owner", "*"), action(), now_ms=NOW_MS, amount_msat=2**63)
    assert raised.value.code == "access/policies"


def test_a_forbid_that_fails_does_not_let_its_permit_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "policies.cedar"
    broken.write_text(
        '@id("all") permit (principal, action, resource);\n'
        '@id("typo") forbid (principal, action, resource) when { context.amount_mast > 1 };'
    )
    monkeypatch.setattr(policy, "POLICIES", broken)
    policy._policies.cache_clear()
    try:
        with pytest.raises(Defect):
            decide(person("owner", "*"), action(), now_ms=NOW_MS)
    finally:
        policy._policies.cache_clear()


@pytest.mark.parametrize("role", ["owner", "operator", "auditor", "client"])
def test_nobody_does_what_its_scopes_do_not_say(role: str) -> None:
    assert allowed(person(role, "bitcoin:read"), action())
    assert allowed(person(role, "*"), action())
    assert not allowed(person(role, "bitcoin:change", "pipeline:read"), action())


@pytest.mark.parametrize(
    ("amount_msat", "permitted"), [(-1, False), (0, False), (1, True), (1_000, True), (1_001, False)]
)
def test_what_spends_needs_an_amount_within_the_limit(amount_msat: int, *, permitted: bool) -> None:
    assert allowed(person("client", "*"), action(effect="spend"), amount_msat=amount_msat) is permitted


@pytest.mark.parametrize(("age_s", "permitted"), [(0, True), (900, True), (901, False)])
@pytest.mark.parametrize(("domain", "effect"), [("bitcoin", "spend"), ("access", "change")])
def test_spending_and_deciding_who_may_need_a_young_proof(
    domain: str, effect: str, age_s: int, *, permitted: bool
) -> None:
    caller = person("owner", "*", authenticated_ms=NOW_MS - age_s * 1_000)
    assert allowed(caller, action(domain, effect), amount_msat=1) is permitted
    assert allowed(caller, action(domain, "read"))


def test_another_tenant_is_out_of_reach_but_for_owners_of_main_who_decide_who_may_there() -> None:
    for role in ("owner", "operator", "auditor", "client"):
        assert not allowed(person(role, "*"), action(), tenant="other")
        assert not allowed(person(role, "*", tenant="other"), action("access", "change"), tenant="main")
    assert allowed(person("owner", "*"), action("access", "change"), tenant="other")
    assert not allowed(person("operator", "*"), action("access", "read"), tenant="other")


def test_other_tenants_use_the_system_and_do_not_run_it() -> None:
    guest = person("owner", "*", tenant="other")
    assert allowed(guest, action("bitcoin", "spend"), amount_msat=1)
    assert allowed(guest, action("pipeline", "read"))
    assert not allowed(guest, action("pipeline", "change"))
    assert not allowed(guest, action("faults", "read"))


def test_a_key_spends_but_decides_nothing_about_access() -> None:
    key = replace(person("owner", "*"), kind="key")
    assert allowed(key, action(effect="spend"), amount_msat=1_000)
    assert allowed(key, action("access", "read"))
    assert not allowed(key, action("access", "change"))


@pytest.mark.parametrize(
    ("kind", "reached", "permitted"),
    [
        ("execution", "scheduled", True),
        ("schedule", "scheduled", True),
        ("schedule", "routed", False),
        ("schedule", "returned", False),
        ("letter", "returned", True),
        ("letter", "scheduled", False),
        ("did", "scheduled", False),
    ],
)
def test_the_platform_starts_what_is_meant_for_it(kind: Any, reached: str, *, permitted: bool) -> None:
    assert allowed(Caller(kind, "x", "system"), action("pipeline", "change", reached)) is permitted


def test_a_state_machine_spends_what_was_permitted_at_its_start_and_never_nothing() -> None:
    machine = Caller("execution", "arn", "system")
    assert allowed(machine, action(effect="spend"), amount_msat=MAX_MSAT)
    assert not allowed(machine, action(effect="spend"), amount_msat=0)


@pytest.mark.parametrize("id_", ["", '"', "a\nb", "did:key:z\\", 'x"};permit(principal,action,resource);//'])
def test_an_id_is_a_value_whatever_it_looks_like(id_: str) -> None:
    assert allowed(replace(person("auditor", "*"), id=id_), action())
    assert not allowed(replace(person("auditor", "*"), id=id_), action(effect="change"))


@settings(deadline=None)
@given(callers, actions, tenants, amounts)
def test_nobody_unknown_does_anything_that_is_not_public(
    caller: Caller, asked: Action, tenant: str | None, amount_msat: int
) -> None:
    nobody = replace(ANONYMOUS, id=caller.id, tenant=caller.tenant, scopes=caller.scopes, max_msat=caller.max_msat)
    if "public" not in asked.groups:
        assert not allowed(nobody, asked, tenant=tenant, amount_msat=amount_msat)


@settings(deadline=None)
@given(callers, actions, tenants, amounts)
def test_nothing_is_allowed_that_no_policy_permits(
    caller: Caller, asked: Action, tenant: str | None, amount_msat: int
) -> None:
    decision = decide(caller, asked, now_ms=NOW_MS, tenant=tenant, amount_msat=amount_msat)
    assert decision.policies or not decision.allowed


@settings(deadline=None)
@given(callers, actions, tenants, amounts)
def test_nobody_gains_by_having_less(caller: Caller, asked: Action, tenant: str | None, amount_msat: int) -> None:
    poorer = [
        *(replace(caller, scopes=caller.scopes[:one] + caller.scopes[one + 1 :]) for one in range(len(caller.scopes))),
        replace(caller, max_msat=0),
        replace(caller, authenticated_ms=0),
    ]
    if not allowed(caller, asked, tenant=tenant, amount_msat=amount_msat):
        assert not any(allowed(one, asked, tenant=tenant, amount_msat=amount_msat) for one in poorer)


@settings(deadline=None)
@given(callers, actions, tenants, amounts)
def test_one_forbid_wins_over_every_permit(caller: Caller, asked: Action, tenant: str | None, amount_msat: int) -> None:
    decision = decide(caller, asked, now_ms=NOW_MS, tenant=tenant, amount_msat=amount_msat)
    if caller.role != "system" and "spend" in asked.groups and amount_msat > caller.max_msat:
        assert not decision.allowed
        assert "nobody-spends-beyond-its-limit" in decision.policies
        assert not any("-may-" in one and not one.startswith("nobody-") for one in decision.policies)
