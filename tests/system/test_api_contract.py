"""Whatever may be sent by the OpenAPI document, and what may not: the running system answers as the document says.

Schemathesis makes the requests from the committed document: the borders of every schema, values beyond them, and
random ones. Every request proves anew that the owner sends it. ISTHMUS_CONTRACT_SEED chooses other random values.
The figures are written to build/api-contract.json.
"""

import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from infra.local import identity
from infra.local.signing import Signer
from isthmus import feed, journal
from isthmus.access import proving
from isthmus.access.caller import Caller
from isthmus.clock import SystemClock
from isthmus.failure import Unavailable
from isthmus.faults import letters
from isthmus.faults.fingerprint import fingerprint
from isthmus.faults.gate import move
from isthmus.faults.letters import Record
from isthmus.faults.reports import Reporter
from isthmus.journal import START, Lifecycle
from isthmus.ports import Table
from isthmus.storage.adapters.sqlite import SqliteTable
from isthmus.webhooks import deliveries, endpoints
from isthmus.webhooks.deliveries import DUE

pytestmark = [pytest.mark.node, pytest.mark.system]

EXAMPLES = 200
WORKERS = 1  # more are threads of one process, which share one processor and CPython 3.11's faulty count of AST depth
REPORT = Path(__file__).parents[2] / "build" / "api-contract.json"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:no-more"
HOOK = "https://hooks.isthmus-contract.dev/"
SEED = int(os.environ.get("ISTHMUS_CONTRACT_SEED", "1"))
TOKEN_S = 200
ODD = (0, 9, 32, 37, 91, 0x7F, 0xE9, 0x665, 0x202E, 0xFFF0, 0x1F600)
NOT_BY_CHANCE = {
    "POST /v1/auth/token",
    "POST /v1/faults/letters/{letter_id}/redrive",
    "POST /v1/bitcoin/fee-bumps",
    "POST /v1/bitcoin/messages/verify",
    "POST /v1/bitcoin/payments",
    "POST /v1/bitcoin/psbts",
    "POST /v1/bitcoin/psbts/decode",
    "POST /v1/bitcoin/psbts/sign",
    "POST /v1/bitcoin/transactions",
    "POST /v1/bitcoin/wallets/{wallet}/descriptors",
    "GET /v1/ledger/payments/{payment_id}",
    "POST /v1/ledger/payments/{payment_id}/settle",
    "POST /v1/webhooks/endpoints/{endpoint_id}/deliveries/{delivery_id}/redeliver",
}
"""Nobody guesses a signed assertion, message, transaction or a descriptor's checksum; the function of the letters is no
more; no wallet has money, so nothing is paid; the one endpoint that is enabled may be deleted by then. Tests of their
own have them succeed, those of the node in tests/adapters/bitcoin on a real one."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "ignored_auth",
)
"""Not `positive_data_acceptance`: rules across fields, such as a height or a hash, are in no schema. Not
`unsupported_method`: a route of API Gateway is a method and a path, and what is no route is 404."""


REFUSALS = ("400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx")
"""What invalid data may be answered with: Schemathesis' own list, and 413 for a body that is too large besides."""


@dataclass
class Findings:
    """What came of all requests, by operation; an operation is called `METHOD path`."""

    sent: Counter[str] = field(default_factory=Counter)
    succeeded: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    operations: set[str] = field(default_factory=set)

    def hear(self, engine: Any) -> None:
        """Run it, and count."""
        from schemathesis.engine import events

        for event in engine.execute():
            if isinstance(event, events.FatalError):
                raise event.exception
            if isinstance(event, events.NonFatalError):
                self.wrong.append(f"{event.label}: {event.info.message}")
            elif isinstance(event, events.ScenarioFinished):
                self._record(event.recorder)

    def _record(self, recorder: Any) -> None:
        for case_id, interaction in recorder.interactions.items():
            assert interaction.response is not None, f"{recorder.label}: no answer"
            self.count(recorder.label, interaction.response.status_code)
            for check in recorder.checks.get(case_id, []):
                if info := check.failure_info:
                    self.wrong.append(f"{recorder.label}: {check.name}: {info.failure.message}\n{info.code_sample}")

    def count(self, operation: str, status: int) -> None:
        self.sent[operation] += 1
        self.succeeded[operation] += 200 <= status <= 299
        self.statuses[status] += 1

    def told(self) -> dict[str, Any]:
        """The figures."""
        return {
            "requests": self.sent.total(),
            "wrong": len(self.wrong),
            "statuses": {str(status): number for status, number in sorted(self.statuses.items())},
            "operations": {
                name: {"requests": number, "succeeded": self.succeeded[name]}
                for name, number in sorted(self.sent.items())
            },
        }


def proof_of(signer: Signer) -> Any:
    """A proof that the owner sends just this request, with an access token that is asked for now and then."""
    import requests

    held: list[tuple[float, str]] = []

    class Proof(requests.auth.AuthBase):
        def __call__(self, request: Any) -> Any:
            now = time.time()
            if not held or held[-1][0] < now - TOKEN_S:
                signer.kept.unlink(missing_ok=True)
                held.append((now, signer.token()))
            token = held[-1][1]
            request.headers["authorization"] = f"DPoP {token}"
            request.headers["dpop"] = proving.dpop(signer.identity, request.method, request.url, int(now), token)
            return request

    return Proof()


def broken(table: Table) -> dict[str, list[str]]:
    """What is there when things have failed: reports, letters, breakers."""
    now_ms, reporter = time.time_ns() // 1_000_000, Reporter(lambda: table, SystemClock().now_ms, patience_s=30)
    for number in range(3):
        failure = Unavailable("It does not answer.", next_step="Repeat.", code=f"contract/{number}")
        failure.group = fingerprint("bitcoin.get_block", failure)
        reporter.report("bitcoin.get_block", "http", "one", failure)
    records = [Record(f"id-{number}", ARN, {"number": number}, "Error", "RetriesExhausted", 3) for number in range(3)]
    move(table, "contract", "outage", now_ms)
    return {
        "path.letter_id": [letters.keep(table, record, now_ms).letter_id for record in records],
        "path.neighbour": ["contract"],
    }


def happened(table: Table, owner: str) -> dict[str, list[str]]:
    """What is there when something has happened: an aggregate, the feed, and who wants to be called about it."""
    now_ms, front = time.time_ns() // 1_000_000, "house/door/front"
    caller = Caller("did", owner, "owner")
    made = [endpoints.create(table, caller, HOOK, (), start=0, now_ms=now_ms) for _ in range(4)]
    lifecycle = Lifecycle("door", {(START, "built"): "shut"})
    journal.apply(table, journal.draft(lifecycle, journal.fresh(front), "built", {}, now_ms=now_ms, by="contract"))
    feed.relay(table, lambda: True)
    for one in made:
        deliveries.make(table, one, now_ms, lambda: True)
        endpoints.save(table, replace(one, status="disabled"))  # and stay uncalled, all but one
    endpoints.enable(table, endpoints.owned(table, "main", made[-1].endpoint_id), caller.id)
    for row in table.query(DUE).rows:
        table.delete(DUE, row.sk)
    return {
        "query.aggregate": [front],
        "body.aggregate": [front],
        "path.endpoint_id": [one.endpoint_id for one in made],
        "path.delivery_id": [f"{1:016d}"],
        "body.url": [HOOK],
    }


def known(system: Any) -> dict[str, list[str]]:
    """Values of parameters that name something: random ones alone would never meet a thing that is there."""
    table, owner = SqliteTable(system.home / "table.sqlite"), identity.load(system.home / "owner.json").did
    failed = broken(table) | happened(table, owner)
    system.isthmus("invoke", "analyze_faults")
    blocks = [system.get(f"/v1/bitcoin/block?height={height}") for height in (1, 140)]
    key = {"name": "contract", "scopes": ["bitcoin:read"]}
    dids = [proving.new_key().did for _ in range(3)]
    for did in dids:
        system.post("/v1/access/principals", {"did": did, "role": "client"})
    return failed | {
        "path.group": [one["group"] for one in system.get("/v1/faults/groups")["groups"]],
        "path.key_id": [system.post("/v1/access/keys", key).json["key_id"] for _ in range(3)],
        "path.did": dids,
        "query.block_hash": [block["block_hash"] for block in blocks],
        "query.txid": [txid for block in blocks for txid in block["txids"][:5]],
        "query.address": ["bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"],
        "body.operation": ["get_block", "bitcoin.get_block", "start_run"],
        "body.scopes[*]": ["bitcoin:read", "pipeline:change", "*"],
    }


def configured(system: Any, values: dict[str, list[str]], *phases: str, examples: dict[str, int]) -> Any:
    """How Schemathesis is to work in these phases."""
    from schemathesis.config import SchemathesisConfig

    enough = {"max-examples": EXAMPLES, "with-security-parameters": False}
    fewer = [
        {"include-name": name, "phases": {"fuzzing": {"generation": {**enough, "max-examples": number}}}}
        for name, number in examples.items()
    ]
    return SchemathesisConfig.from_dict(
        {
            "base-url": system.url,
            "workers": WORKERS,
            "seed": SEED,
            "continue-on-failure": True,
            "request-timeout": 60,
            "generation": {"mode": "all", "no-shrink": True, "database": "none"},
            "phases": {name: {"enabled": name in phases} for name in ("examples", "coverage", "stateful")}
            | {"fuzzing": {"enabled": "fuzzing" in phases, "generation": enough}},
            "checks": {"enabled": False}
            | {name: {"enabled": True} for name in CHECKS}
            | {"negative_data_rejection": {"enabled": True, "expected-statuses": list(REFUSALS)}},
            "dictionaries": {name: {"values": found} for name, found in values.items()},
            "parameters": {name: {"dictionary": name, "probability": 0.4} for name in values},
            "operations": fewer,
        }
    )


@pytest.fixture(scope="module")
def findings(own_lively_system: Any) -> Findings:
    """What Schemathesis found; first what the schemas' borders suggest, then random values up to the number."""
    from schemathesis import openapi
    from schemathesis.engine.core import Engine

    system = own_lively_system
    document = system.get("/v1/openapi.json")
    values, found = known(system), Findings()
    found.operations |= {f"{method.upper()} {path}" for path, one in document["paths"].items() for method in one}

    def schema(*phases: str, examples: dict[str, int]) -> Any:
        loaded = openapi.from_dict(document, config=configured(system, values, *phases, examples=examples))
        loaded.auth.set_from_requests(proof_of(system.signer))
        return loaded

    found.hear(Engine(schema=schema("examples", "coverage", examples={})))
    missing = {name: max(EXAMPLES - number, EXAMPLES // 4) for name, number in found.sent.items()}
    random = schema("fuzzing", examples=missing)
    found.hear(Engine(schema=random))
    top_up(found, random, {name.removeprefix("path."): given[0] for name, given in values.items()})
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(found.told(), indent=1))
    return found


def top_up(found: Findings, schema: Any, known_values: dict[str, str]) -> None:
    """Where the document leaves nothing to choose: the same request with headers and parameters nobody asked for."""
    from schemathesis.core.failures import FailureGroup

    random = Random(SEED)
    for result in schema.get_all_operations():
        operation = result.ok()
        path = {one.name: known_values.get(one.name, "x") for one in operation.path_parameters}
        while found.sent[operation.label] < EXAMPLES:
            odd = "".join(chr(random.choice(ODD) + random.randrange(9)) for _ in range(random.randrange(1, 9)))
            query = {odd: odd * random.randrange(40)}
            case = operation.Case(path_parameters=path, query=query, headers={"x-odd": odd.encode().hex()})
            response = case.call()
            try:
                case.validate_response(response)
            except FailureGroup as group:
                found.wrong += [f"{operation.label}: {one}" for one in group.exceptions]
            found.count(operation.label, response.status_code)


def test_no_answer_contradicts_the_document(findings: Findings) -> None:
    assert not findings.wrong, f"{len(findings.wrong)} of {findings.sent.total()}:\n" + "\n\n".join(findings.wrong[:20])


def test_there_is_no_server_error(findings: Findings) -> None:
    assert not {status: number for status, number in findings.statuses.items() if status >= 500}


def test_every_operation_is_asked_two_hundred_times(findings: Findings) -> None:
    assert set(findings.sent) == findings.operations
    assert min(findings.sent.values()) >= EXAMPLES


def test_every_operation_answers_with_more_than_refusals(findings: Findings) -> None:
    refused = {name for name in findings.operations if not findings.succeeded[name]}

    assert refused <= NOT_BY_CHANCE
