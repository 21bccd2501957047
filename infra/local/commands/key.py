"""`isthmus key create`, `list`, `revoke`: API keys, for curl and what cannot sign."""

import argparse
import json
import os
import sys
from urllib.parse import quote

from infra.local.client import show
from infra.local.commands.call import refused
from infra.local.signing import signer

_KEYS = "/v1/access/keys"
_SCOPE = "what it may do, such as bitcoin:read; give it several times for more, or * for all that you may"
_LIMITS = {
    "expires_in_days": "when it ends (default: in 90 days)",
    "max_msat": "the most that one request may spend, in millisatoshi",
    "day_msat": "the most that may be spent in a day, in millisatoshi",
    "hour_count": "how many requests may spend in an hour",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a key and print it, this once")
    create.add_argument("--name", required=True, help="what it is for")
    create.add_argument("--scope", dest="scopes", action="append", required=True, metavar="DOMAIN:EFFECT", help=_SCOPE)
    create.add_argument("--role", choices=("operator", "auditor", "client"), help="what the policies go by")
    for name, shown in _LIMITS.items():
        create.add_argument(f"--{name.replace('_', '-')}", dest=name, type=int, metavar="N", help=shown)
    actions.add_parser("list", help="every key, without its secret")
    revoke = actions.add_parser("revoke", help="let a key be worth nothing from now on")
    revoke.add_argument("key_id", help="its id, from `isthmus key list`")


def run(options: argparse.Namespace) -> int:
    """Do it and print the answer; of a new key the key alone goes to the standard output."""
    if options.action == "create":
        return _create(options)
    system = signer(os.environ)
    if options.action == "list":
        answer = system.send("GET", _KEYS)
    else:
        answer = system.send("DELETE", f"{_KEYS}/{quote(options.key_id, safe='')}")
    if not answer.ok:
        return refused(answer)
    show(answer.body)
    return 0


def _create(options: argparse.Namespace) -> int:
    given = {name: getattr(options, name) for name in ("name", "scopes", "role", *_LIMITS)}
    asked = {name: value for name, value in given.items() if value is not None}
    headers = {"content-type": "application/json"}
    answer = signer(os.environ).send("POST", _KEYS, body=json.dumps(asked).encode(), headers=headers)
    if not answer.ok:
        return refused(answer)
    made = json.loads(answer.body)
    print(made.pop("api_key"))
    print(json.dumps(made, indent=2, ensure_ascii=False), file=sys.stderr)
    print("Nobody can show the key again.", file=sys.stderr)
    return 0
