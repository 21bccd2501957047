"""The policies as texts: formatted, named, and naming only what there is."""

import re
from pathlib import Path

import cedarpy
import pytest

from infra.template.access import FOLDER, action_schema, policies
from isthmus.catalogue import operations
from isthmus.fields import Request
from isthmus.operation import Effect

INVENTED = """
action "invented.spend" in ["spend", "routed"]
  appliesTo { principal: [Caller], resource: [Tenant], context: Asked };
"""
"""Policies about spending are tested for whether they can ever apply, also while nothing spends."""


@pytest.fixture(scope="module")
def schema(root: Path) -> str:
    """The words of the policies."""
    return (root / FOLDER / "schema.cedarschema").read_text() + action_schema(operations()) + INVENTED


def test_the_policies_use_the_words_of_the_schema_and_each_can_apply(root: Path, schema: str) -> None:
    found = cedarpy.validate_policies(policies(root), schema)
    named = found.id_annotations_by_policy_id
    assert [f"{named.get(error.policy_id)}: {error.error}" for error in found.errors] == []
    assert found.validation_passed


@pytest.mark.parametrize(
    "wrong",
    [
        "permit (principal, action, resource) when { context.amount_mast > 1 };",
        'permit (principal in Role::"boss", action, resource);',
        'permit (principal, action == Action::"bitcoin.get_rich", resource);',
        'permit (principal, action, resource) when { principal.max_msat > "1" };',
    ],
)
def test_the_schema_refuses_a_policy_that_means_something_else(schema: str, wrong: str) -> None:
    assert not cedarpy.validate_policies(wrong, schema).validation_passed


def test_every_policy_is_formatted(root: Path) -> None:
    for file in sorted((root / FOLDER).glob("*.cedar")):
        wanted = cedarpy.format_policies(file.read_text(), 120, 2)
        assert file.read_text() == wanted, f"{file.name}: write what cedarpy.format_policies(text, 120, 2) gives"


def test_every_policy_has_a_name_of_its_own(root: Path) -> None:
    text = policies(root)
    names = re.findall(r'^@id\("([a-z-]+)"\)$', text, re.MULTILINE)
    assert len(set(names)) == len(names) == len(re.findall(r"^(?:permit|forbid) ", text, re.MULTILINE))


def test_no_domain_is_named_like_an_effect_or_a_way_of_being_reached() -> None:
    taken = {"read", "change", "spend", "routed", "scheduled", "returned", "public"}
    assert taken & {operation.domain for operation in operations()} == set()


def test_whatever_spends_says_how_much() -> None:
    spending = [one for one in operations() if one.effect is Effect.SPEND]
    assert [one.name for one in spending if one.request.spends_msat is Request.spends_msat] == []


def test_whatever_names_a_tenant_tells_the_policies() -> None:
    asking = {one.name for one in operations() if "tenant" in one.request.model_fields}
    telling = {one.name for one in operations() if one.request.for_tenant is not Request.for_tenant}
    assert asking - telling == {"check_access"}, "check_access only asks what would be, everything else must tell"
