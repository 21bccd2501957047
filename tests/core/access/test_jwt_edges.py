"""What is read as a JWT: up to its limit, strictly, and with the key's own algorithm."""

from typing import get_args

import pytest

from isthmus import base64url
from isthmus.access import jwt
from isthmus.access.jwt import What
from isthmus.did.keys import new_private_key
from tests.core.access.edges import ANEW, KEY, KEYS, TOKEN, refusal


@pytest.mark.parametrize("what", get_args(What))
def test_a_jwt_is_read_up_to_its_limit_and_its_parts_are_what_was_signed(what: What) -> None:
    members = dict.fromkeys(jwt.MEMBERS[what] - {"typ", "alg"}, "x")
    limit = jwt.MAX_CHARS[what]
    short = len(jwt.signed(what, members, {"a": ""}, KEY))
    text = next(
        found
        for extra in range((limit - short) * 3 // 4 - 4, limit)
        if len(found := jwt.signed(what, members, {"a": "x" * extra}, KEY)) >= limit - 1
    )
    found = jwt.read(text, what)

    assert len(text) in (limit - 1, limit)
    assert found.header == {"typ": jwt.TYPES[what], "alg": "ES256", **members}
    assert found.signed == text.rpartition(".")[0].encode()
    assert found.signature == base64url.decode(text.rpartition(".")[2])
    jwt.verify(found, KEY.public)
    too_long = jwt.signed(what, members, {"a": "x" * len(str(found.claims["a"])) + "xxx"}, KEY)
    assert refusal(lambda: jwt.read(too_long, what)) == (
        "malformed",
        f"The {what} is no compact JWT, or is too long.",
        ANEW,
    )


def raw(header: bytes, claims: bytes) -> str:
    return f"{base64url.encode(header)}.{base64url.encode(claims)}.{base64url.encode(bytes(64))}"


HEADER = b'{"alg":"ES256","typ":"at+jwt","kid":"one"}'


STRICT = ("malformed", "The token is not canonical base64url with strict JSON in it.", ANEW)


COMPACT = ("malformed", "The token is no compact JWT, or is too long.", ANEW)


OBJECTS = ("malformed", "The token's parts are not JSON objects.", ANEW)


MEMBERS = ("header", "The token's header has exactly alg, kid, typ.", ANEW)


TYPE = ("type", "This is no token: its typ is not at+jwt.", ANEW)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", COMPACT),
        ("a.b", COMPACT),
        ("a.b.c.d", COMPACT),
        (raw(HEADER, b"{}") + "=", COMPACT),
        (raw(HEADER, b"{}") + "\n", COMPACT),
        (raw(HEADER, b"{}")[:-1] + "B", STRICT),
        (raw(HEADER, b'{"a":1,"a":1}'), STRICT),
        (raw(HEADER, b"\xff"), STRICT),
        (raw(b"[]", b"{}"), OBJECTS),
        (raw(HEADER, b"[]"), OBJECTS),
        (raw(HEADER.replace(b"at+jwt", b"JWT"), b"{}"), TYPE),
        (raw(b'{"alg":"ES256","kid":"one"}', b"{}"), TYPE),
        (raw(HEADER.replace(b'"alg"', b'"crit":[],"alg"'), b"{}"), MEMBERS),
        (raw(b'{"alg":"ES256","typ":"at+jwt"}', b"{}"), MEMBERS),
    ],
)
def test_a_jwt_that_is_not_strict_is_not_read(text: str, said: tuple[str, str, str]) -> None:
    assert refusal(lambda: jwt.read(text, "token")) == said


def test_the_key_decides_the_algorithm() -> None:
    found = jwt.read(KEYS.sign(TOKEN), "token")
    other = new_private_key("EdDSA")
    assert refusal(lambda: jwt.verify(found, other.public)) == (
        "algorithm",
        "The token's alg is not that of its key.",
        ANEW,
    )
    assert refusal(lambda: jwt.verify(found, new_private_key("ES256").public)) == (
        "signature",
        "The token's signature is wrong.",
        ANEW,
    )
