"""How the command line proves who calls: an access token that is kept while it lasts, and a proof for each request.

RFC 9449 (DPoP) with the token of `POST /v1/auth/token`. The token is kept in the home folder for the commands that
follow, and it is of use only to who has the key too.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.local.client import TIMEOUT_S, Answer, send
from infra.local.home import Home, find, home_of, write_private
from infra.local.identity import chosen
from isthmus.access import proving
from isthmus.failure import Invalid, Unauthenticated

TOKEN_PATH = "/v1/auth/token"  # noqa: S105 - an address
EARLY_S = 15
_UNAUTHENTICATED = 401
_ADDRESS = re.compile(r"https://[a-z0-9.-]{1,253}(:[0-9]{1,5})?|http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")


@dataclass(frozen=True)
class Signer:
    """One identity's requests to one system.

    Args:
        url: the system's address, which is also what tokens and proofs are made for.
        identity: who calls.
        kept: the file that the access token is kept in.
        now: seconds since the epoch.
    """

    url: str
    identity: proving.PrivateKey
    kept: Path
    now: Callable[[], float] = field(default=time.time, repr=False)

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Answer:
        """Send one request; when the kept token is not accepted, once more with a fresh one.

        Raises:
            Unavailable: nobody answered in time.
            Unauthenticated: the system gives this identity no token.
        """
        token = self._kept_token()
        if token is not None:
            answer = self._sent(token, method, path, body, headers, timeout_s)
            if answer.status != _UNAUTHENTICATED:
                return answer
        return self._sent(self._fresh_token(), method, path, body, headers, timeout_s)

    def token(self) -> str:
        """The kept access token, or a fresh one.

        Raises:
            Unavailable: nobody answered in time.
            Unauthenticated: the system gives this identity no token.
        """
        return self._kept_token() or self._fresh_token()

    def _sent(
        self,
        token: str,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        timeout_s: float,
    ) -> Answer:
        proof = {"authorization": f"DPoP {token}", "dpop": self._proof(method, path, token)}
        return send(self.url, method, path, body=body, headers={**(headers or {}), **proof}, timeout_s=timeout_s)

    def _proof(self, method: str, path: str, token: str | None) -> str:
        return proving.dpop(self.identity, method, self.url + path.partition("?")[0], int(self.now()), token)

    def _kept_token(self) -> str | None:
        """The token in the file, if it is this identity's for this system and lasts a little longer."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            document = json.loads(self.kept.read_text())
            own = (document["did"], document["url"]) == (self.identity.did, self.url)
            if own and document["expires_at"] - EARLY_S > self.now():
                return str(document["access_token"])
        return None

    def _fresh_token(self) -> str:
        """A new token, kept for the next request; a file that cannot be written only costs time."""
        asked_at = self.now()
        assertion = proving.assertion(self.identity, self.url, int(asked_at))
        answer = send(
            self.url,
            "POST",
            TOKEN_PATH,
            body=json.dumps({"assertion": assertion}).encode(),
            headers={"content-type": "application/json", "dpop": self._proof("POST", TOKEN_PATH, None)},
        )
        document: dict[str, Any] = json.loads(answer.body)
        if not answer.ok:
            said = document.get("detail", f"It answered with status {answer.status}.")
            raise Unauthenticated(
                f"The system gives {self.identity.did} no token. {said}",
                next_step=document.get("next_step", "Look at the system: its gateway answered in its place."),
                code="local/no-token",
            )
        token = str(document["access_token"])
        expires_at = int(asked_at) + int(document["expires_in"])
        told = {"did": self.identity.did, "url": self.url, "access_token": token, "expires_at": expires_at}
        with suppress(OSError):
            write_private(self.kept, told)
        return token


def system(environ: Mapping[str, str]) -> str:
    """The address to call: `ISTHMUS_URL`, else that of the system that runs on the home folder.

    Raises:
        Invalid: what is given is no address of a deployment, or would send proofs in the clear.
        Precondition: nothing is given, and no system runs there.
    """
    given = environ.get("ISTHMUS_URL", "").rstrip("/").lower()
    if not given:
        return find(home_of(environ)).url
    if not _ADDRESS.fullmatch(given):
        raise Invalid(
            "ISTHMUS_URL is no address of a deployment.",
            next_step="Give scheme and host only, with https: the stack's output ApiUrl.",
            code="local/url",
        )
    return given


def signer(environ: Mapping[str, str]) -> Signer:
    """The command line's requests to a system.

    Raises:
        Failure: there is no such system, or the identity's file cannot be used.
    """
    home: Home = home_of(environ)
    return Signer(system(environ), chosen(environ, home), home.token)
