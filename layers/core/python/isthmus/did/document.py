"""What a DID resolves to: public keys, and what each may be used for (W3C DID Core 1.0 section 5)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from isthmus.failure import Invalid

MAX_DID_CHARS = 1000
"""Longer ones are refused unread; a sort key of the table has 1,024 bytes."""

Relationship = Literal[
    "authentication", "assertionMethod", "keyAgreement", "capabilityInvocation", "capabilityDelegation"
]

SIGNING: tuple[Relationship, ...] = (
    "authentication",
    "assertionMethod",
    "capabilityInvocation",
    "capabilityDelegation",
)

_DID = re.compile(r"did:[a-z0-9]+:(?:[A-Za-z0-9._:-]|%[0-9A-Fa-f]{2})*(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class VerificationMethod:
    """A public key of a DID: its DID URL, who controls it, and the key as a public JWK (RFC 7517)."""

    id: str
    controller: str
    jwk: Mapping[str, Any]


@dataclass(frozen=True)
class DidDocument:
    """A DID, its keys, and by relationship the ids of those that may be used for it."""

    did: str
    methods: tuple[VerificationMethod, ...]
    relationships: Mapping[Relationship, tuple[str, ...]]

    def method(self, relationship: Relationship, id_: str) -> VerificationMethod | None:
        """The key of this DID URL, if it is there and may be used for this."""
        if id_ not in self.relationships.get(relationship, ()):
            return None
        return next((method for method in self.methods if method.id == id_), None)


def one_key(did: str, id_: str, jwk: Mapping[str, Any], uses: tuple[Relationship, ...]) -> DidDocument:
    """The document of a DID that is one key."""
    return DidDocument(did, (VerificationMethod(id_, did, jwk),), dict.fromkeys(uses, (id_,)))


def check_did(did: str) -> None:
    """Raise Invalid unless this is a DID by its syntax (DID Core section 3.1), and no longer than we read."""
    if len(did) > MAX_DID_CHARS or not _DID.fullmatch(did):
        raise malformed("This is not a DID.")


def malformed(detail: str) -> Invalid:
    """What is said of every DID that cannot be read."""
    return Invalid(detail, next_step="Check the DID: it must be complete and unchanged.", code="did/malformed")
