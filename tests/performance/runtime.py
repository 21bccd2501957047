"""A call over local HTTP: gateway, authorizer, worker process, operation, and a real node behind it."""

import time
from http.client import HTTPConnection
from statistics import median

from infra.local.signing import Signer
from isthmus.access import proving
from tests.system.running import running

CALLS = 500
WARM_UP = 50
PATHS = {"local_http_p50_ms": "/v1/bitcoin/block?height=5", "local_http_no_node_p50_ms": "/v1/pipeline/runs"}


def measure() -> dict[str, tuple[float, str]]:
    """Medians in milliseconds over one kept connection, one call after the other."""
    with running() as (system, node):
        node.mine(10)
        return {name: (round(p50(system.signer, path), 2), "ms") for name, path in PATHS.items()}


def p50(signer: Signer, path: str) -> float:
    """The median milliseconds of a GET with a token and a DPoP proof of its own, from sending it to its last byte."""
    connection = HTTPConnection(signer.url.removeprefix("http://"))
    token = signer.token()
    taken = []
    for _ in range(WARM_UP + CALLS):
        url, now_s = signer.url + path.partition("?")[0], int(time.time())
        proof = proving.dpop(signer.identity, "GET", url, now_s, token)
        started = time.perf_counter()
        connection.request("GET", path, headers={"authorization": f"DPoP {token}", "dpop": proof})
        response = connection.getresponse()
        body = response.read()
        taken.append((time.perf_counter() - started) * 1000)
        assert response.status == 200, body
    connection.close()
    return median(taken[WARM_UP:])
