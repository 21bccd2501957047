"""Which system the command line calls, and how."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.local.client import send
from infra.local.identity import create
from infra.local.signing import signer, system
from isthmus.failure import Invalid, Precondition, Unavailable


@pytest.mark.parametrize(
    ("given", "called"),
    [
        ("https://abc.execute-api.eu-central-1.amazonaws.com", "https://abc.execute-api.eu-central-1.amazonaws.com"),
        ("https://ABC.example.com:8443/", "https://abc.example.com:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_the_address_that_is_given_is_called(given: str, called: str) -> None:
    assert system({"ISTHMUS_URL": given}) == called


@pytest.mark.parametrize(
    "given",
    ["http://example.com", "http://127.0.0.1.example.com", "https://example.com/prod", "https://me@example.com", "x"],
)
def test_an_address_that_would_send_proofs_in_the_clear_or_is_no_origin_is_refused(given: str) -> None:
    with pytest.raises(Invalid, match="ISTHMUS_URL"):
        system({"ISTHMUS_URL": given})


def test_without_an_address_the_system_of_the_home_folder_is_called(tmp_path: Path) -> None:
    with pytest.raises(Precondition, match="No runtime runs"):
        system({"ISTHMUS_HOME": str(tmp_path)})


def test_requests_to_a_given_address_are_signed_by_the_identity_that_is_named(tmp_path: Path) -> None:
    made = create(tmp_path / "me.json")
    named = {"ISTHMUS_IDENTITY": str(tmp_path / "me.json"), "ISTHMUS_HOME": str(tmp_path)}
    found = signer({"ISTHMUS_URL": "https://example.com", **named})
    assert (found.url, found.identity.did) == ("https://example.com", made.did)


def test_an_https_address_is_called_over_tls_only() -> None:
    reached: list[str] = []

    class Plain(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reached.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({}).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name http.server uses
            pass

    with HTTPServer(("127.0.0.1", 0), Plain) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        assert send(f"http://127.0.0.1:{server.server_port}", "GET", "/").ok
        with pytest.raises(Unavailable):
            send(f"https://127.0.0.1:{server.server_port}", "GET", "/secret")
        server.shutdown()
        thread.join()
    assert reached == ["/"]
