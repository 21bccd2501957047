"""Say which keys access tokens are signed with."""

from typing import Literal

from isthmus.fields import Request, Response
from isthmus.operation import Effect, operation
from isthmus.ports import TokenKeys


class GetJwks(Request):
    """Nothing to ask."""


class TokenKey(Response):
    """A public key of access tokens (RFC 7517)."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: str
    y: str
    kid: str
    alg: Literal["ES256"]
    use: Literal["sig"]


class Jwks(Response):
    """All keys that access tokens may be signed with now."""

    keys: tuple[TokenKey, ...]


@operation("GET /v1/auth/jwks", effect=Effect.READ, public=True)
def get_jwks(request: GetJwks, keys: TokenKeys) -> Jwks:
    """The public keys of access tokens, as a JWK set."""
    marks = {"alg": "ES256", "use": "sig"}
    return Jwks(keys=tuple(TokenKey.model_validate({**jwk, **marks, "kid": kid}) for kid, jwk in keys.public().items()))
