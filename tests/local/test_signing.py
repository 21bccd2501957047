"""Signed requests: one token while it lasts, a fresh proof for each, and one repetition when the token is refused."""

import json
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.local.identity import create
from infra.local.signing import TOKEN_PATH, Signer
from isthmus.access import dpop, jwt
from isthmus.failure import Unauthenticated

NOW_S = 1_750_000_000


class Played(HTTPServer):
    """A system that gives numbered tokens and accepts those it has not forgotten."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.given = 0
        self.forgotten: set[str] = set()
        self.grants = True
        self.proofs: list[str] = []
        self.asked: list[tuple[str, str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Played

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == TOKEN_PATH:
            status, document = self.token(body)
        else:
            token = self.headers["authorization"].removeprefix("DPoP ")
            url = self.server.url + self.path.partition("?")[0]
            self.server.proofs.append(dpop.verify(self.headers["dpop"], self.command, url, NOW_S, token).use_id)
            self.server.asked.append((token, f"{self.command} {self.path}", body))
            status, document = (401 if token in self.server.forgotten else 200), {"token": token}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def token(self, body: bytes) -> tuple[int, Any]:
        said = jwt.read(json.loads(body)["assertion"], "assertion")
        assert said.claims["aud"] == self.server.url
        self.server.proofs.append(dpop.verify(self.headers["dpop"], "POST", self.server.url + TOKEN_PATH, NOW_S).use_id)
        if not self.server.grants:
            return 401, {"detail": "Nobody knows the DID.", "next_step": "Ask the owner."}
        self.server.given += 1
        return 200, {"access_token": f"token-{self.server.given}", "token_type": "DPoP", "expires_in": 300}

    do_GET = do_POST = respond  # noqa: N815 - the names http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name http.server uses
        pass


@pytest.fixture
def played() -> Iterator[Played]:
    with Played() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def signer(played: Played, tmp_path: Path) -> Signer:
    return Signer(played.url, create(tmp_path / "me.json"), tmp_path / "token.json", lambda: float(NOW_S))


def told(signer: Signer, path: str = "/v1/things") -> Any:
    return json.loads(signer.send("GET", path).body)["token"]


def test_one_token_serves_many_requests_and_each_has_a_proof_of_its_own(signer: Signer, played: Played) -> None:
    assert [told(signer), told(signer, "/v1/things?x=1"), told(replace(signer))] == ["token-1"] * 3
    assert played.given == 1
    assert len(set(played.proofs)) == 4


def test_a_body_and_headers_are_sent_as_they_are(signer: Signer, played: Played) -> None:
    answer = signer.send("POST", "/v1/things", body=b"{}", headers={"content-type": "application/json"})

    assert (answer.status, played.asked) == (200, [("token-1", "POST /v1/things", b"{}")])


def test_the_token_is_kept_for_this_user_only(signer: Signer) -> None:
    told(signer)

    assert stat.S_IMODE(signer.kept.stat().st_mode) == 0o600
    assert json.loads(signer.kept.read_text())["expires_at"] == NOW_S + 300


@pytest.mark.parametrize(("later_s", "given"), [(284, 1), (285, 2), (400, 2)])
def test_a_token_that_ends_soon_is_replaced(signer: Signer, played: Played, later_s: int, given: int) -> None:
    told(signer)
    kept = json.loads(signer.kept.read_text())
    signer.kept.write_text(json.dumps(kept | {"expires_at": kept["expires_at"] - later_s}))

    told(signer)
    assert played.given == given


def test_a_token_that_is_refused_is_replaced_and_the_request_sent_once_more(signer: Signer, played: Played) -> None:
    told(signer)
    played.forgotten = {"token-1"}

    assert told(signer) == "token-2"
    assert [token for token, _, _ in played.asked] == ["token-1", "token-1", "token-2"]


def test_a_fresh_token_that_is_refused_is_not_tried_again(signer: Signer, played: Played) -> None:
    played.forgotten = {"token-1", "token-2"}

    assert signer.send("GET", "/v1/things").status == 401
    assert [token for token, _, _ in played.asked] == ["token-1"]
    assert signer.send("GET", "/v1/things").status == 401
    assert [token for token, _, _ in played.asked] == ["token-1", "token-1", "token-2"]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"did": 1}'])
def test_a_kept_token_that_cannot_be_read_is_replaced(signer: Signer, content: str) -> None:
    signer.kept.write_text(content)

    assert told(signer) == "token-1"


def test_a_token_of_another_identity_or_system_is_not_used(signer: Signer, played: Played, tmp_path: Path) -> None:
    told(signer)
    other = replace(signer, identity=create(tmp_path / "other.json"))

    assert told(other) == "token-2"
    kept = json.loads(signer.kept.read_text())
    signer.kept.write_text(json.dumps(kept | {"url": "http://127.0.0.1:1"}))
    assert told(other) == "token-3"


def test_an_identity_without_a_role_is_told_so_in_the_systems_words(signer: Signer, played: Played) -> None:
    played.grants = False

    with pytest.raises(Unauthenticated, match=r"gives did:key:z6Mk\w+ no token. Nobody knows the DID. Ask the owner."):
        told(signer)
    assert not signer.kept.exists()


def test_a_token_that_cannot_be_kept_is_used_all_the_same(signer: Signer, tmp_path: Path) -> None:
    assert told(replace(signer, kept=tmp_path / "no" / "where.json")) == "token-1"
