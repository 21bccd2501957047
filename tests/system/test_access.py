"""Who is let in: three proofs, each once, for this system, and of somebody whom the owner knows."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.local.identity import create
from isthmus.access import proving

pytestmark = pytest.mark.system

RUNS = "/v1/pipeline/runs"
KEYS = "/v1/access/keys"


def refused(answer: Any, code: str) -> None:
    """A 401 that names the proof, says what to do and how to prove who asks."""
    assert (answer.status, answer.headers["content-type"]) == (401, "application/problem+json"), answer.body
    assert answer.json["type"] == f"/problems/unauthenticated/auth/{code}"
    assert answer.json["next_step"]
    assert answer.headers["www-authenticate"].startswith("DPoP ")


def dpop(system: Any, path: str = RUNS, **changes: Any) -> dict[str, str]:
    """The headers of a request with the owner's token and a fresh proof."""
    signer = system.signer
    asked = {"key": signer.identity, "method": "GET", "url": system.url + path, "now_s": int(time.time())} | changes
    token = signer.token()
    return {"authorization": f"DPoP {token}", "dpop": proving.dpop(access_token=token, **asked)}


def get(system: Any, headers: Mapping[str, str], path: str = RUNS) -> Any:
    return system.send("GET", path, signed=False, **headers)


def test_a_request_without_proof_is_told_what_to_send(system: Any) -> None:
    refused(get(system, {}), "none")


def test_what_is_public_asks_for_no_proof(system: Any) -> None:
    assert get(system, {}, "/v1/openapi.json").status == 200
    assert get(system, {}, "/v1/auth/jwks").status == 200
    assert get(system, {}, "/elsewhere").status == 404


def test_a_dpop_token_with_its_proof_is_accepted_once(system: Any) -> None:
    headers = dpop(system)

    assert get(system, headers).status == 200
    refused(get(system, headers), "proof-replayed")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"method": "POST"}, "proof-mismatch"),
        ({"url": "http://127.0.0.1:1/v1/pipeline/runs"}, "proof-mismatch"),
        ({"now_s": 1_700_000_000}, "proof-expired"),
        ({"key": proving.new_key()}, "proof-mismatch"),
    ],
)
def test_a_proof_for_something_else_is_refused(system: Any, changes: Any, code: str) -> None:
    refused(get(system, dpop(system, **changes)), code)


def test_a_token_that_was_changed_is_refused(system: Any) -> None:
    headers = dpop(system)
    head, claims, signature = headers["authorization"].split(".")
    changed = f"{head}.{claims}.{signature[:-4]}{'AAAA' if signature[-4:] != 'AAAA' else 'BBBB'}"
    proof = dpop(system)["dpop"]

    assert get(system, {"authorization": changed, "dpop": proof}).status == 401


def test_a_signed_request_is_accepted_once(system: Any) -> None:
    key = system.signer.identity
    headers = proving.signed_headers(key, "GET", f"{system.url}{RUNS}?limit=1", b"", int(time.time()))

    assert get(system, headers, f"{RUNS}?limit=1").status == 200
    refused(get(system, headers, f"{RUNS}?limit=1"), "signature-replayed")


def test_a_signed_body_is_accepted_and_a_changed_one_is_not(system: Any) -> None:
    body = json.dumps({"name": "signed", "scopes": ["pipeline:read"]}).encode()
    key = system.signer.identity

    def sent(body_sent: bytes) -> Any:
        headers = proving.signed_headers(key, "POST", system.url + KEYS, body, int(time.time()))
        return system.send("POST", KEYS, body_sent, signed=False, content_type="application/json", **headers)

    assert sent(body).status == 201
    changed = sent(body.replace(b"pipeline", b"bitcoin!"))
    assert (changed.status, changed.json["type"]) == (400, "/problems/invalid/request/digest")


def test_a_did_that_nobody_let_in_gets_no_token_and_its_signature_is_refused(system: Any) -> None:
    key = proving.new_key()
    now_s = int(time.time())
    url = f"{system.url}/v1/auth/token"
    body = json.dumps({"assertion": proving.assertion(key, system.url, now_s)})
    proof = proving.dpop(key, "POST", url, now_s)

    token = system.send("POST", "/v1/auth/token", body, signed=False, content_type="application/json", dpop=proof)
    refused(token, "unknown-caller")
    headers = proving.signed_headers(key, "GET", system.url + RUNS, b"", now_s)
    refused(get(system, headers), "unknown-caller")


def test_the_owner_lets_a_did_in_and_it_may_do_what_its_role_may(system: Any, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    did = system.isthmus("identity", "new", str(path)).stdout.strip()
    system.isthmus("call", "grant_access", "--did", did, "--role", "client", "--scopes", '["pipeline:read"]')
    system.environment["ISTHMUS_IDENTITY"] = str(path)
    try:
        assert json.loads(system.isthmus("call", "list_runs").stdout)["runs"] == []
        denied = system.isthmus("key", "list", check=False)
        assert (denied.returncode, "403" in denied.stderr) == (1, True)
    finally:
        del system.environment["ISTHMUS_IDENTITY"]


def test_an_identity_that_nobody_let_in_is_told_so_by_the_command_line(system: Any, tmp_path: Path) -> None:
    key = create(tmp_path / "nobody.json")
    system.environment["ISTHMUS_IDENTITY"] = str(tmp_path / "nobody.json")
    try:
        done = system.isthmus("call", "list_runs", check=False)
    finally:
        del system.environment["ISTHMUS_IDENTITY"]
    assert (done.returncode, f"gives {key.did} no token" in done.stderr) == (1, True)


def test_an_api_key_is_accepted_within_its_scopes_until_it_is_revoked(system: Any) -> None:
    made = system.isthmus("key", "create", "--name", "demo", "--scope", "pipeline:read")
    bearer = {"authorization": f"Bearer {made.stdout.strip()}"}
    key_id = json.loads(made.stderr.rpartition("}")[0] + "}")["key_id"]

    assert get(system, bearer).status == 200
    assert get(system, bearer).status == 200
    assert get(system, bearer, "/v1/bitcoin/chain").status == 403
    assert get(system, bearer, KEYS).status == 403
    system.isthmus("key", "revoke", key_id)
    refused(get(system, bearer), "key-revoked")
    other = bearer["authorization"][:-1] + ("0" if bearer["authorization"][-1] != "0" else "1")
    refused(get(system, {"authorization": other}), "key")


def test_a_proof_is_refused_the_second_time_also_after_a_restart(system_on: Callable[..., Any]) -> None:
    system = system_on(None)
    by_token = dpop(system)
    by_signature = proving.signed_headers(system.signer.identity, "GET", system.url + RUNS, b"", int(time.time()))
    assert [get(system, headers).status for headers in (by_token, by_signature)] == [200, 200]

    system.kill()
    system.up()

    refused(get(system, by_token), "proof-replayed")
    refused(get(system, by_signature), "signature-replayed")


def test_the_first_start_says_where_the_owners_key_is_and_later_ones_do_not(system_on: Callable[..., Any]) -> None:
    system = system_on(None)
    did = system.signer.identity.did
    system.isthmus("down")

    again = system.isthmus("up", "--port", str(system.port))

    assert "owner.json" not in again.stdout + again.stderr
    assert system.signer.identity.did == did
    assert system.get(RUNS)["runs"] == []


def test_no_file_of_a_home_folder_that_holds_a_secret_can_be_read_by_others(system: Any) -> None:
    system.get(RUNS)

    names = ("owner.json", "token.json", "token-keys.json", "runtime.json", "table.sqlite")
    assert {name: (system.home / name).stat().st_mode & 0o777 for name in names} == dict.fromkeys(names, 0o600)
