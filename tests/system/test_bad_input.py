"""Whatever is sent, the answer is a problem document that names the field, the reason and the next step."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.bitcoind import RegtestNode

pytestmark = [pytest.mark.node, pytest.mark.system]

RUNS = "/v1/pipeline/runs"
BLOCK = "/v1/bitcoin/block"


def problem(answer: Any, status: int, kind: str, pointer: str | None = None) -> Any:
    """Check the form of RFC 9457 and return the document."""
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), answer.body
    document = answer.json
    assert document["type"].startswith(f"/problems/{kind}")
    assert {"title", "detail", "instance", "next_step", "severity", "repeat"} <= set(document)
    assert (document["status"], document["kind"], document["money_moved"]) == (status, kind, "no")
    if pointer is not None:
        assert pointer in [error["pointer"] for error in document["errors"]], document
        assert all(error["message"] for error in document["errors"])
    return document


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        (f"{BLOCK}?height=5&colour=red", "/colour"),
        (f"{BLOCK}?height=five", "/height"),
        (f"{BLOCK}?height=5.5", "/height"),
        (f"{BLOCK}?height=-1", "/height"),
        (f"{BLOCK}?height=99999999999999999999", "/height"),
        (f"{BLOCK}?height=", "/height"),
        (f"{BLOCK}?block_hash=xyz", "/block_hash"),
        (f"{BLOCK}?block_hash={'0' * 63}", "/block_hash"),
        (f"{BLOCK}?block_hash={'A' * 64}", "/block_hash"),
        (f"{BLOCK}?height=5&limit=100000", "/limit"),
        ("/v1/bitcoin/transaction", "/txid"),
        ("/v1/bitcoin/transaction?txid=../../etc/passwd", "/txid"),
        ("/v1/bitcoin/fee-estimate?blocks=0", "/blocks"),
        ("/v1/bitcoin/fee-estimate?blocks=1009", "/blocks"),
        (f"{RUNS}?limit=0", "/limit"),
        (f"{RUNS}/what", "/run_id"),
        ("/v1/pipeline/analysis?blocks=1001", "/blocks"),
    ],
)
def test_a_wrong_field_of_a_query_is_named(lively_system: Any, path: str, pointer: str) -> None:
    problem(lively_system.send("GET", path), 422, "invalid", pointer)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"from_height": 5.0}, "/from_height"),
        ({"from_height": "5"}, "/from_height"),
        ({"from_height": True}, "/from_height"),
        ({"from_height": None}, "/from_height"),
        ({"from_height": -1}, "/from_height"),
        ({"from_height": 2**31}, "/from_height"),
        ({"from_height": [1]}, "/from_height"),
        ({"from_height": 10**6}, "/from_height"),
        ({"to_height": 10**6}, "/to_height"),
        ({"from_height": 9, "to_height": 3}, "/to_height"),
        ({"form_height": 5}, "/form_height"),
        ({"a/b~c": 1}, "/a~1b~0c"),
    ],
)
def test_a_wrong_field_of_a_body_is_named_and_nothing_starts(lively_system: Any, body: Any, pointer: str) -> None:
    before = lively_system.get(RUNS)

    problem(lively_system.post(RUNS, body), 422, "invalid", pointer)

    assert lively_system.get(RUNS) == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ("[]", 400),
        ("5", 400),
        ('{"from_height": NaN}', 400),
        ('{"from_height": 1, "from_height": 2}', 400),
        (b"\xff\xfe{}", 400),
        ('{"from_height": ' + "[" * 33 + "]" * 33 + "}", 413),
        ('{"x": ' + "[" * 50_000 + "]" * 50_000 + "}", 413),
        ('{"x": "' + "y" * 256 * 1024 + '"}', 413),
        ('{"x": "' + "y" * 11 * 1024 * 1024 + '"}', 413),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(lively_system: Any, body: str | bytes, status: int) -> None:
    answer = lively_system.send("POST", RUNS, body, content_type="application/json")

    assert "next_step" in problem(answer, status, "invalid")


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded", ""])
def test_a_body_that_is_not_declared_as_json_is_refused(lively_system: Any, media_type: str) -> None:
    problem(lively_system.send("POST", RUNS, "{}", content_type=media_type), 415, "invalid")


def test_a_compressed_body_is_refused(lively_system: Any) -> None:
    answer = lively_system.send("POST", RUNS, "{}", content_type="application/json", content_encoding="gzip")

    problem(answer, 415, "invalid")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/v2/bitcoin/block"), ("DELETE", BLOCK), ("POST", BLOCK), ("GET", "/v1/%2e%2e/health")],
)
def test_an_unknown_route_says_where_the_routes_are(lively_system: Any, method: str, path: str) -> None:
    assert "/v1/openapi.json" in problem(lively_system.send(method, path), 404, "not-found")["next_step"]


def test_a_height_above_the_tip_is_not_found_and_names_the_tip(lively_system: Any, lively_node: RegtestNode) -> None:
    document = problem(lively_system.send("GET", f"{BLOCK}?height=1000000"), 404, "not-found")

    assert str(lively_node.rpc("getblockcount")) in document["detail"] + document["next_step"]


def test_what_was_sent_is_never_echoed(lively_system: Any) -> None:
    answer = lively_system.send("GET", f"{BLOCK}?height=%3Cscript%3Ealert(1)%3C/script%3E")

    assert b"script" not in answer.body


def test_browsers_of_other_sites_are_kept_out(lively_system: Any) -> None:
    problem(lively_system.send("GET", "/v1/health", host="evil.example"), 403, "forbidden")
    problem(lively_system.send("GET", "/v1/health", origin="https://evil.example"), 403, "forbidden")


def test_without_a_node_reads_are_unavailable_and_a_run_is_not_recorded(system_on: Callable[..., Any]) -> None:
    system = system_on(None)

    for path in (BLOCK + "?height=1", "/v1/bitcoin/chain", "/v1/bitcoin/mempool"):
        document = problem(system.send("GET", path), 503, "unavailable")
        assert document["repeat"] == "same-key"
        assert "password" not in json.dumps(document)
    problem(system.post(RUNS, {}), 503, "unavailable")
    assert system.get(RUNS)["runs"] == []
    assert system.get("/v1/health")["status"] != "up"


def test_a_node_of_another_chain_is_refused(
    fresh_node: Callable[..., RegtestNode], system_on: Callable[..., Any]
) -> None:
    node = fresh_node(blocks=5)
    system = system_on(node)
    started = system.post(RUNS, {}).json
    while system.get(f"{RUNS}/{started['run_id']}")["status"] == "running":
        pass
    manifest = system.home / "blobs"
    stored = next(path for path in manifest.rglob("*") if path.is_file() and b'"genesis"' in path.read_bytes()[:400])
    stored.write_bytes(stored.read_bytes().replace(b'"genesis":"0f91', b'"genesis":"aaaa'))

    document = problem(system.post(RUNS, {"from_height": 1}), 409, "precondition")

    assert document["type"].endswith("pipeline/other-chain")


def test_a_pruned_node_names_the_lowest_block_it_has(
    fresh_node: Callable[..., RegtestNode], system_on: Callable[..., Any]
) -> None:
    node = fresh_node(blocks=1_000, options=("-prune=1", "-txindex=0", "-fastprune=1"))
    pruned_to = node.rpc("pruneblockchain", 500)
    assert pruned_to > 0
    system = system_on(node)

    document = problem(system.post(RUNS, {"from_height": 0}), 409, "precondition")

    assert str(node.rpc("getblockchaininfo")["pruneheight"]) in document["next_step"]
    assert document["type"].endswith("bitcoin/pruned")
