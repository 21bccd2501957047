"""Signed requests at their edges: the longest that is read, which algorithm is named, and what each refusal says."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from isthmus.access import proving, signatures
from isthmus.content_digest import digest
from isthmus.did.keys import Algorithm
from isthmus.did.resolver import Resolver
from isthmus.failure import Unauthenticated

NOW_S = 1_900_000_000
ORIGIN = "https://api.test"
KEY = proving.new_key()
ANEW = "Make a new proof for this very request."


def signed(
    method: str = "GET", path: str = "/v1/things", query: str = "", key: proving.PrivateKey = KEY, nonce: str = "one"
) -> signatures.Message:
    headers = {} if method in ("GET", "DELETE") else {"content-digest": digest(b"")}
    request = signatures.message(method, ORIGIN, path, query, headers)
    made = signatures.sign(request, key.secret, key.key_id, NOW_S, nonce)
    return signatures.message(method, ORIGIN, path, query, headers | made)


def verified(request: signatures.Message, now_s: int = NOW_S) -> signatures.Signed:
    return signatures.verify(request, now_s, Resolver())


def refusal(request: signatures.Message) -> tuple[str, str, str]:
    with pytest.raises(Unauthenticated) as refused:
        verified(request)
    return refused.value.code.removeprefix("auth/"), refused.value.detail, refused.value.next_step


def changed(change: Callable[[str], str], *, of: str = "signature-input") -> signatures.Message:
    request = signed()
    request.headers[of] = change(request.headers[of])
    return request


@pytest.mark.parametrize(("method", "covered"), [("GET", False), ("DELETE", False), ("POST", True), ("PUT", True)])
def test_a_signature_covers_the_body_of_what_may_have_one(method: str, *, covered: bool) -> None:
    request = signed(method)

    assert verified(request) == signatures.Signed(KEY.did, f"{KEY.did} one", NOW_S + 60)
    names = '"@method" "@authority" "@path" "@query"' + (' "content-digest"' if covered else "")
    assert request.headers["signature-input"].startswith(f"did=({names});")
    assert request.headers["signature"].startswith("did=:")


@pytest.mark.parametrize(
    ("algorithm", "named"),
    [("EdDSA", ';alg="ed25519"'), ("ES256", ';alg="ecdsa-p256-sha256"'), ("ES256K", "")],
)
def test_an_algorithm_is_named_where_a_name_is_registered(algorithm: Algorithm, named: str) -> None:
    key = proving.new_key(algorithm)
    request = signed(key=key)

    assert verified(request).did == key.did
    said = re.findall(r';alg="[^"]*"', request.headers["signature-input"])
    assert said == ([named] if named else [])
    assert f';keyid="{key.key_id}"' in request.headers["signature-input"]
    assert f";created={NOW_S};" in request.headers["signature-input"]
    assert f";expires={NOW_S + 60};" in request.headers["signature-input"]


def test_a_nonce_of_256_characters_is_read_and_one_more_is_not() -> None:
    assert verified(signed(nonce="x" * 256)).use_id == f"{KEY.did} {'x' * 256}"
    for nonce in ("x" * 257, ""):
        assert refusal(signed(nonce=nonce)) == (
            "claims",
            "The signature's parameter nonce is missing or is not what it must be.",
            ANEW,
        )


@pytest.mark.parametrize("of", ["signature-input", "signature"])
def test_a_header_of_6000_characters_is_read_and_one_more_is_not(of: str) -> None:
    assert verified(changed(lambda text: text.ljust(6000), of=of)).did == KEY.did
    assert refusal(changed(lambda text: text.ljust(6001), of=of)) == TOGETHER


TOGETHER = (
    "malformed",
    "The headers signature-input and signature do not come together, or are too long.",
    ANEW,
)
UNREADABLE = ("malformed", "The signature's headers cannot be read.", ANEW)
ONE = ("malformed", "There is not exactly one signature.", ANEW)
LIST = ("malformed", "The signature's input is not a list of components.", ANEW)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (changed(lambda _: ""), TOGETHER),
        (changed(lambda _: "", of="signature"), ONE),
        (changed(lambda text: f"{text}, {text}"), UNREADABLE),
        (changed(lambda text: f"{text}, {text}", of="signature"), UNREADABLE),
        (changed(lambda text: text + "\u00e9"), UNREADABLE),
        (changed(lambda text: text + "\u00e9", of="signature"), UNREADABLE),
        (changed(lambda text: f"{text}, b=()"), ONE),
        (changed(lambda text: text.replace("did=", "b=", 1)), ONE),
        (changed(lambda _: "did=1"), LIST),
        (
            changed(lambda text: text.replace("did-auth", "other")),
            ("type", "The signature's tag is not did-auth.", ANEW),
        ),
        (
            changed(lambda text: text.replace('"@method" ', "").replace('"@path" ', "")),
            ("coverage", "The signature does not cover @method, @path.", ANEW),
        ),
        (
            changed(lambda text: text.replace("ed25519", "rsa-v1_5-sha256")),
            ("algorithm", "The signature's alg is not that of its key.", ANEW),
        ),
        (
            changed(lambda text: text.replace('"one"', '"two"')),
            ("signature", "The signature is not one of this request by this key.", ANEW),
        ),
        (
            changed(lambda text: text.replace(f"created={NOW_S}", "created=-1")),
            ("claims", "The signature's parameter created is missing or is not what it must be.", ANEW),
        ),
        (
            changed(lambda text: text.replace(f"expires={NOW_S + 60}", f"expires={2**40 + 1}")),
            ("claims", "The signature's parameter expires is missing or is not what it must be.", ANEW),
        ),
    ],
)
def test_a_signature_that_is_not_one_says_why(request_: signatures.Message, said: tuple[str, str, str]) -> None:
    assert refusal(request_) == said


@pytest.mark.parametrize(
    ("path", "query", "url"),
    [
        ("/v1/a", "", "https://api.test/v1/a"),
        ("/v1/a", "b=%2F", "https://api.test/v1/a?b=%2F"),
        ("/v1/a b%\u00e9", "", "https://api.test/v1/a%20b%25%C3%A9"),
        ("/:@!$&'()*+,;=~-._", "", "https://api.test/:@!$&'()*+,;=~-._"),
        ('/"<>?#[]', "", "https://api.test/%22%3C%3E%3F%23%5B%5D"),
    ],
)
def test_a_path_is_signed_decoded_and_a_query_as_it_was_sent(path: str, query: str, url: str) -> None:
    assert signatures.message("GET", ORIGIN, path, query, {}).url == url
    assert verified(signed(path=path, query=query)).did == KEY.did


def test_signing_leaves_the_caller_s_headers_alone() -> None:
    headers: dict[str, Any] = {"a": "b"}
    request = signatures.message("GET", ORIGIN, "/v1/a", "", headers)
    made = signatures.sign(request, KEY.secret, KEY.key_id, NOW_S, "one")
    assert headers == {"a": "b"}
    assert set(made) == {"signature-input", "signature"}
