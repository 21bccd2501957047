"""Who may open connections: the library and the operations import what does so in these modules only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "layers" / "core" / "python" / "isthmus", ROOT / "functions")

CONNECTING = frozenset(
    {
        *(
            "socket",
            "_socket",
            "ssl",
            "socketserver",
            "select",
            "selectors",
            "asyncio",
            "multiprocessing",
            "subprocess",
        ),
        *("http.client", "http.server", "http.cookiejar", "urllib.request", "xmlrpc", "ftplib", "smtplib", "poplib"),
        *("imaplib", "nntplib", "telnetlib", "ctypes", "requests", "httpx", "httpcore", "urllib3", "aiohttp"),
        *("websockets", "websocket", "grpc", "pycurl", "paramiko", "boto3", "botocore", "bitcoinrpc"),
    }
)

ALLOWED = {
    "isthmus/outbound/network.py": "resolves and connects for the only door to foreign hosts",
    "isthmus/outbound/exchange.py": "speaks HTTP on a socket it is given",
    "isthmus/outbound/fetch.py": "names the types of sockets and of TLS's and HTTP's errors",
    "isthmus/bitcoin/adapters/wire.py": "the connection to the configured Bitcoin node",
    "isthmus/bitcoin/adapters/proxy.py": "python-bitcoinrpc's marshalling over that connection",
    "isthmus/bitcoin/adapters/core.py": "python-bitcoinrpc's errors",
    "isthmus/bitcoin/adapters/endpoint.py": "the node's address in Secrets Manager",
    "isthmus/storage/adapters/aws.py": "DynamoDB, S3 and Step Functions",
}


def imported(source: str) -> Iterator[str]:
    """Every module a source imports, wherever and however in the file; relative ones are our own."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _named(node.func) in ("import_module", "__import__"):
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))


def _named(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def connecting(source: str) -> set[str]:
    """The modules that open connections among those a source imports."""
    return {
        module for name in imported(source) for module in CONNECTING if name == module or name.startswith(f"{module}.")
    }


def found() -> dict[str, set[str]]:
    modules = {f"{folder.name}/{path.relative_to(folder)}": path for folder in FOLDERS for path in folder.rglob("*.py")}
    return {name: uses for name, path in modules.items() if (uses := connecting(path.read_text()))}


def test_connections_are_opened_only_where_it_is_listed_why() -> None:
    assert found().keys() == ALLOWED.keys()


@pytest.mark.parametrize(
    "source",
    [
        "import socket",
        "import urllib.request as harmless",
        "from urllib import request",
        "from http.client import HTTPSConnection",
        "from http import client",
        "def f():\n    import requests.sessions",
        "import importlib\nimportlib.import_module('httpx')",
        "__import__('socket')",
        "from asyncio import open_connection",
    ],
)
def test_the_scan_sees_every_way_to_import(source: str) -> None:
    assert connecting(source)


def test_the_scan_leaves_alone_what_opens_nothing() -> None:
    assert not connecting("import urllib.parse\nfrom http import HTTPStatus\nimport socketlike\nfrom . import socket")
