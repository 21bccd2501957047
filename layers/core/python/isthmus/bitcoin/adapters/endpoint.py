"""Where the node is and how it knows us: from the environment, a cookie file or a secret."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from isthmus.failure import Defect, Failure, Precondition, Unavailable, Upstream
from isthmus.quiet import quiet

DEFAULT_PORTS = {"http": 8332, "https": 443}
MAX_COOKIE_BYTES = 4096
SECRETS_PATIENCE: dict[str, Any] = {"connect_timeout": 2, "read_timeout": 4, "retries": {"total_max_attempts": 2}}
_PRINTABLE = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class Endpoint:
    """One node's address, our name and password there, and the certificates (PEM) that vouch for it."""

    scheme: str
    host: str
    port: int
    path: str
    credentials: str = field(repr=False)
    ca: str | None = field(repr=False, default=None)


def endpoint_of(environ: Mapping[str, str]) -> Endpoint:
    """Read `ISTHMUS_BITCOIN_SECRET`, or `ISTHMUS_BITCOIN_URL` with `ISTHMUS_BITCOIN_COOKIE` and `ISTHMUS_BITCOIN_CA`.

    Read anew whenever the node refuses our credentials, because a cookie changes with each start of the node.

    Raises:
        Precondition: none of them is set.
        Defect: what they say cannot be used; the values themselves are never repeated.
        Unavailable: the cookie file or the secret cannot be read now.
    """
    if secret := environ.get("ISTHMUS_BITCOIN_SECRET"):
        return _from_secret(secret)
    url = environ.get("ISTHMUS_BITCOIN_URL")
    if not url:
        raise Precondition(
            "No Bitcoin node is configured.",
            next_step="Set ISTHMUS_BITCOIN_URL, or ISTHMUS_BITCOIN_SECRET in a deployment.",
            code="bitcoin/not-configured",
        )
    cookie, ca = environ.get("ISTHMUS_BITCOIN_COOKIE"), environ.get("ISTHMUS_BITCOIN_CA")
    return _endpoint(url, _text(cookie, "cookie") if cookie else None, _text(ca, "certificate") if ca else None)


def _endpoint(url: str, cookie: str | None, ca: str | None) -> Endpoint:
    """The parts of a URL; a cookie stands above a name and password in the URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        raise _unusable("The node's URL cannot be read.") from None
    credentials = cookie.strip() if cookie is not None else _user_and_password(parts)
    odd = parts.scheme not in DEFAULT_PORTS or parts.query or parts.fragment or not _PRINTABLE.fullmatch(url)
    if odd or not parts.hostname or not port:
        raise _unusable("The node's URL is not of the form http(s)://host:port.")
    if ":" not in credentials:
        raise _unusable("The node's URL has no user and password, and there is no cookie.")
    return Endpoint(parts.scheme, parts.hostname, port, parts.path or "/", credentials, ca)


def _user_and_password(parts: SplitResult) -> str:
    if parts.username is None or parts.password is None:
        return ""
    return f"{unquote(parts.username)}:{unquote(parts.password)}"


def _text(path: str, what: str) -> str:
    """The start of a small file; longer ones are no cookie and are cut, certificates are read whole."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            return file.read(MAX_COOKIE_BYTES if what == "cookie" else -1)
    except (OSError, UnicodeDecodeError):
        raise Unavailable(
            f"The node's {what} file cannot be read.",
            next_step="Start the node, check the file's path and permissions, then repeat.",
            code=f"bitcoin/{what}",
            retry_after_ms=2_000,
        ) from None


def _from_secret(name: str) -> Endpoint:
    """The endpoint in a secret of Secrets Manager: `{"url": "https://user:password@host:port", "ca": "<PEM>"?}`."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    quiet()
    try:
        client = boto3.client("secretsmanager", config=Config(**SECRETS_PATIENCE))
        document = json.loads(client.get_secret_value(SecretId=name)["SecretString"])
        url, ca = document["url"], document.get("ca")
    except ClientError as error:
        raise _without_secret(str(error.response.get("Error", {}).get("Code", "")) or "unknown") from None
    except BotoCoreError as error:
        raise _without_secret(type(error).__name__) from None
    except (KeyError, TypeError, ValueError):
        raise _unusable("The node's secret is not of the form that Isthmus reads.") from None
    if not isinstance(url, str) or not isinstance(ca, str | None):
        raise _unusable("The node's secret is not of the form that Isthmus reads.")
    return _endpoint(url, None, ca)


DEPLOYMENT_CODES = frozenset({"AccessDeniedException", "ResourceNotFoundException", "InvalidParameterException"})


def _without_secret(code: str) -> Failure:
    kind = Defect if code in DEPLOYMENT_CODES else Unavailable
    return kind(
        "The secret with the node's address cannot be read.",
        next_step="Check ISTHMUS_BITCOIN_SECRET and the function's permission to read it, then repeat.",
        code="bitcoin/secret",
        upstream=Upstream("secretsmanager", code),
    )


def _unusable(detail: str) -> Defect:
    return Defect(
        detail,
        next_step='Use http(s)://user:password@host:port; a secret holds {"url": ..., "ca": ...}.',
        code="bitcoin/configuration",
    )
