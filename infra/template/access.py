"""What access needs of the operations and of infra/policies/: one text of all policies, and the actions they name."""

import json
from collections.abc import Iterable
from pathlib import Path

from isthmus.operation import Operation

FOLDER = Path("infra/policies")


def policies(root: Path) -> str:
    """The text of all policies, file by file; which comes first means nothing to Cedar."""
    return "\n".join(file.read_text() for file in sorted((root / FOLDER).glob("*.cedar")))


def action_table(operations: Iterable[Operation]) -> str:
    """JSON with the scope and the groups of each action, by its name; what `isthmus.access.actions` reads."""
    actions = sorted((one.action for one in operations), key=lambda action: action.name)
    lines = (f" {json.dumps(one.name)}: {json.dumps({'scope': one.scope, 'groups': one.groups})}" for one in actions)
    return "{\n" + ",\n".join(lines) + "\n}\n"


def action_schema(operations: Iterable[Operation]) -> str:
    """The actions as a Cedar schema: what is not in it, no policy can name."""
    listed = sorted(operations, key=lambda one: one.action.name)
    lines = [
        "// Written by `make template` from the operations; what the other words mean stands in schema.cedarschema.\n",
        f"action {', '.join(_quoted(domain) for domain in sorted({one.domain for one in listed}))};\n",
    ]
    for one in listed:
        groups = ", ".join(_quoted(group) for group in one.action.groups)
        applies = "principal: [Caller], resource: [Tenant], context: Asked"
        lines += [f"action {_quoted(one.action.name)} in [{groups}]\n  appliesTo {{ {applies} }};\n"]
    return "\n".join(lines)


def _quoted(name: str) -> str:
    return json.dumps(name)
