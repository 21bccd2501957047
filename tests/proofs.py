"""A place where proofs are checked, at a held time: its owner, its stores, and requests as API Gateway sends them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functions.auth.authorize import authorize
from functions.auth.create_token import create_token
from isthmus import wiring
from isthmus.access import proving
from isthmus.access.adapters.token_file import FileTokenKeys
from isthmus.access.authentication import Known
from isthmus.access.proving import PrivateKey
from isthmus.did.resolver import Resolver
from isthmus.ports import Clock, Deployment, DidResolver, Table, TokenKeys, TokenSigner
from isthmus.storage.adapters.sqlite import SqliteTable

HOST = "api.test"
ORIGIN = f"https://{HOST}"
TOKEN_URL = f"{ORIGIN}/v1/auth/token"
START_MS = 1_900_000_000_000


@dataclass
class HeldClock:
    now: int = START_MS

    def now_ms(self) -> int:
        return self.now


class Place:
    """One deployment whose owner is `owner`, with the real adapters of one machine."""

    def __init__(self, folder: Path) -> None:
        self.clock = HeldClock()
        self.owner = proving.new_key()
        self.table = SqliteTable(folder / "table.sqlite", now_s=lambda: self.clock.now / 1000)
        self.keys = FileTokenKeys(folder / "token-keys.json", self.clock)
        self.known = Known(self.table, self.keys, Resolver(), Deployment(self.owner.did), self.clock)
        self.ports: dict[type, Any] = {
            Clock: self.clock,
            Table: self.table,
            TokenKeys: self.keys,
            TokenSigner: self.keys,
            DidResolver: self.known.resolver,
            Deployment: self.known.deployment,
        }

    @property
    def now_s(self) -> int:
        return self.clock.now // 1000

    def assertion(self, key: PrivateKey | None = None, bound: PrivateKey | None = None) -> str:
        return proving.assertion(key or self.owner, ORIGIN, self.now_s, bound)

    def proof(self, method: str, path: str, access_token: str | None = None, *, key: PrivateKey | None = None) -> str:
        return proving.dpop(key or self.owner, method, ORIGIN + path, self.now_s, access_token)

    def signed(self, method: str, path: str, body: bytes = b"", *, key: PrivateKey | None = None) -> dict[str, str]:
        return proving.signed_headers(key or self.owner, method, ORIGIN + path, body, self.now_s)

    def token(self, key: PrivateKey | None = None) -> str:
        """An access token of a DID, as the token endpoint gives it."""
        answer = self.ask_token(self.assertion(key), self.proof("POST", "/v1/auth/token", key=key))
        assert answer["statusCode"] == 200, answer
        return str(json.loads(answer["body"])["access_token"])

    def ask_token(self, assertion: str, proof: str | None, **fields: Any) -> dict[str, Any]:
        """The token endpoint's HTTP answer."""
        headers = {"content-type": "application/json"} | ({} if proof is None else {"dpop": proof})
        body = json.dumps({"assertion": assertion, **fields})
        event = request("POST", "/v1/auth/token", headers, body)
        with wiring.replaced(self.ports):
            answer: dict[str, Any] = create_token(event, None)
        return answer

    def authorize(self, method: str, path: str, headers: Mapping[str, str], query: str = "") -> dict[str, Any]:
        """What the authorizer finds out: a caller, a refusal, or nothing."""
        event = request(method, path, headers, query=query) | {"type": "REQUEST", "routeArn": "arn"}
        with wiring.replaced(self.ports):
            answer = authorize(event, None)
        assert answer["isAuthorized"] is True
        found: dict[str, Any] = answer["context"]
        return found


def request(
    method: str, path: str, headers: Mapping[str, str], body: str | None = None, query: str = ""
) -> dict[str, Any]:
    """An event of payload format 2.0."""
    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": HOST, "x-forwarded-proto": "https", **headers},
        "requestContext": {"requestId": "one", "http": {"method": method, "path": path}},
    }
    return event if body is None else event | {"body": body}
