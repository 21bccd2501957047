"""Give a DID an access token."""

from typing import Annotated, Literal

from pydantic import Field

from isthmus.access.authentication import Known
from isthmus.access.granting import grant
from isthmus.access.jwt import MAX_CHARS
from isthmus.access.tokens import LIFETIME_S
from isthmus.failure import Unauthenticated
from isthmus.fields import FromHeader, Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import Clock, Deployment, DidResolver, Table, TokenKeys, TokenSigner

JwtBearer = Literal["urn:ietf:params:oauth:grant-type:jwt-bearer"]


class CreateToken(Request):
    """A DID's assertion, and the proof of the key that the token is to be bound to."""

    grant_type: JwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assertion: str = Field(
        min_length=1,
        max_length=MAX_CHARS["assertion"],
        description="JWT by which the DID asks (RFC 7523): iss and sub the DID, aud this origin, iat, exp at most 60 s "
        "later, jti; kid is the DID URL of the key it is signed with; with cnf.jkt, the thumbprint of the "
        "proof's key, nobody else gets a token for it",
    )
    scope: str = Field(
        default="",
        max_length=1024,
        pattern=r"^([a-z*:]+( [a-z*:]+)*)?$",
        description="what of its scopes the token is to have, separated by spaces; all of them when empty",
    )
    dpop: Annotated[str, FromHeader("dpop")] = Field(
        default="",
        max_length=MAX_CHARS["proof"],
        description="proof of the key that the token is to be bound to (RFC 9449)",
    )
    origin: Annotated[str, FromHeader(":origin")] = Field(max_length=300, description="where the request was sent to")


class AccessToken(Response):
    """A token that is worth nothing without proofs by the key it is bound to (RFC 6749 section 5.1)."""

    access_token: str
    token_type: Literal["DPoP"] = "DPoP"  # noqa: S105 - the name of a scheme
    expires_in: int = Field(description="seconds")
    scope: str


@operation("POST /v1/auth/token", effect=Effect.CHANGE, errors=(Unauthenticated,), public=True)
def create_token(
    request: CreateToken,
    table: Table,
    keys: TokenKeys,
    signer: TokenSigner,
    resolver: DidResolver,
    deployment: Deployment,
    clock: Clock,
) -> AccessToken:
    """Give a DID that proves itself an access token for 300 seconds."""
    known = Known(table, keys, resolver, deployment, clock)
    asked = tuple(request.scope.split())
    token, caller = grant(request.assertion, request.dpop, asked, request.origin, known, signer)
    return AccessToken(access_token=token, expires_in=LIFETIME_S, scope=" ".join(caller.scopes))
