"""How the command line talks to the running system."""

import http.client
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from infra.local.home import Address
from isthmus.failure import Unavailable

TIMEOUT_S = 60.0
LONGEST_TASK_S = 960.0
_OK = range(200, 300)


@dataclass(frozen=True)
class Answer:
    """One response; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return self.status in _OK


def send(
    url: str,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Answer:
    """Send one request.

    Raises:
        Unavailable: nobody answered in time.
    """
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=timeout_s)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(
            f"The system at {url} did not answer.",
            next_step="See `isthmus status` and the end of logs/runtime.log in the home folder.",
            code="local/no-answer",
        ) from error
    finally:
        connection.close()


def control(
    address: Address, method: str, path: str, body: bytes | None = None, *, timeout_s: float = TIMEOUT_S
) -> Answer:
    """Send one request to the control API."""
    headers = {"authorization": f"Bearer {address.token}", "content-type": "application/json"}
    return send(address.control, method, path, body=body, headers=headers, timeout_s=timeout_s)


def show(body: bytes) -> None:
    """Print a JSON document: indented for people, as it is for programs."""
    if sys.stdout.isatty():
        print(json.dumps(json.loads(body), indent=2, ensure_ascii=False))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(body + b"\n")
    sys.stdout.buffer.flush()


def show_problem(document: Mapping[str, Any]) -> None:
    """Print an RFC 9457 document to the standard error, what to do last."""
    print(f"{document.get('status', '')} {document.get('title', '')}".strip(), file=sys.stderr)
    print(document.get("detail", ""), file=sys.stderr)
    for error in document.get("errors", []):
        print(f"  {error.get('pointer') or '/'}: {error.get('message')}", file=sys.stderr)
    if document.get("money_moved", "no") != "no":
        print(f"Money moved: {document['money_moved']}.", file=sys.stderr)
    print(document.get("next_step", ""), file=sys.stderr)
    print(f"({document.get('type', '')}, instance {document.get('instance', '')})", file=sys.stderr)
