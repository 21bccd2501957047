"""Proofs that are used again, one after the other or at once: each serves one request."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from isthmus.access import proving
from isthmus.access.authentication import Sent, authenticate
from isthmus.access.granting import grant
from isthmus.failure import Unauthenticated
from tests import forging
from tests.forging import (
    OTHER,
    PATH,
    b64,
    is_refused,
    unb64,
)
from tests.proofs import ORIGIN, Place

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def with_token(place: Place, token: str, proof: str) -> dict[str, Any]:
    return place.authorize("GET", PATH, {"authorization": f"DPoP {token}", "dpop": proof})


def asking(place: Place, assertion: str) -> dict[str, Any]:
    answer = place.ask_token(assertion, place.proof("POST", "/v1/auth/token"))
    return {"status": answer["statusCode"], **json.loads(answer["body"])}


def at_once(work: Callable[[], Any], threads: int = 20) -> list[Any]:
    start = Barrier(threads, timeout=60)

    def started(_: int) -> Any:
        start.wait()
        return work()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(started, range(threads)))


def test_of_twenty_uses_of_a_proof_at_once_one_is_accepted(place: Place) -> None:
    token = place.token()
    headers = {"host": "api.test", "authorization": f"DPoP {token}", "dpop": forging.proof(place, token)}

    def use() -> str:
        try:
            return "accepted" if authenticate(Sent("GET", PATH, "", headers), place.known) else "nobody"
        except Unauthenticated as refused:
            return refused.code

    found = at_once(use)
    assert (found.count("accepted"), found.count("auth/proof-replayed")) == (1, 19)


def test_of_twenty_uses_of_a_signature_at_once_one_is_accepted(place: Place) -> None:
    headers = {"host": "api.test", **forging.signature(place)}

    def use() -> str:
        try:
            return "accepted" if authenticate(Sent("POST", PATH, "", headers), place.known) else "nobody"
        except Unauthenticated as refused:
            return refused.code

    found = at_once(use)
    assert (found.count("accepted"), found.count("auth/signature-replayed")) == (1, 19)


def test_of_twenty_uses_of_an_assertion_at_once_one_gets_a_token(place: Place) -> None:
    assertion = forging.assertion(place)

    def use() -> str:
        try:
            grant(assertion, place.proof("POST", "/v1/auth/token"), (), ORIGIN, place.known, place.keys)
        except Unauthenticated as refused:
            return refused.code
        return "accepted"

    found = at_once(use)
    assert (found.count("accepted"), found.count("auth/assertion-replayed")) == (1, 19)


def test_the_other_form_of_an_ecdsa_signature_does_not_make_a_used_proof_fresh(place: Place) -> None:
    key = proving.new_key("ES256")
    token = forging.token(place, cnf={"jkt": key.secret.public.thumbprint})
    proof = forging.proof(place, token, key=key)
    head, _, tail = proof.rpartition(".")
    r, s = unb64(tail)[:32], int.from_bytes(unb64(tail)[32:], "big")
    twin = f"{head}.{b64(r + (P256_ORDER - s).to_bytes(32, 'big'))}"

    assert with_token(place, token, proof)["id"] == place.owner.did
    is_refused(with_token(place, token, twin), "auth/proof-replayed")


@pytest.mark.parametrize(
    ("wait_s", "code"),
    [
        (0, "auth/proof-replayed"),
        (60, "auth/proof-replayed"),
        (61, "auth/proof-expired"),
        (300, "auth/token-expired"),
    ],
)
def test_a_used_proof_stays_used_for_as_long_as_it_could_be_accepted(place: Place, wait_s: int, code: str) -> None:
    token = forging.token(place)
    proof = forging.proof(place, token)
    assert "id" in with_token(place, token, proof)

    place.clock.now += wait_s * 1000

    is_refused(with_token(place, token, proof), code)


def test_a_refused_proof_leaves_nothing_in_the_table(place: Place) -> None:
    written: list[str] = []
    put = place.table.put

    def noted(pk: str, sk: str, item: Any, **when: Any) -> None:
        written.append(pk)
        put(pk, sk, item, **when)

    place.table.put = noted  # type: ignore[method-assign]
    token = forging.token(place)
    with_token(place, token, forging.proof(place, token, htm="POST"))
    place.authorize("POST", PATH, forging.signature(place, key=OTHER))
    asking(place, forging.assertion(place, key=OTHER))
    assert written == []

    with_token(place, token, forging.proof(place, token))
    assert len(written) == 1
