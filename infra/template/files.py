"""Which files are derived from the catalogue, and whether they still say what it says."""

import json
from collections.abc import Iterable
from pathlib import Path

from infra.template.access import action_schema, action_table, policies
from infra.template.machines import read_machines
from infra.template.openapi import document
from infra.template.pages import error_pages, operation_pages
from infra.template.sam import logical_id, render
from isthmus.operation import Operation

TEMPLATE = Path("template.yaml")
OPENAPI = Path("layers/core/python/isthmus/openapi.json")
POLICIES = Path("layers/core/python/isthmus/access/policies.cedar")
ACTIONS = Path("layers/core/python/isthmus/access/actions.json")
ACTION_SCHEMA = Path("infra/policies/actions.cedarschema")
ERRORS, OPERATIONS = Path("docs/errors"), Path("docs/operations")


def derive(operations: Iterable[Operation], root: Path) -> dict[Path, str]:
    """The text of every derived file, by its path in the repository `root`."""
    listed = tuple(operations)
    machines = read_machines(root, {logical_id(operation) for operation in listed})
    return {
        TEMPLATE: "# Written by `make template` from the operations and infra/template/base.yaml.\n"
        + render(listed, machines),
        OPENAPI: json.dumps(document(listed, root), indent=1, ensure_ascii=False) + "\n",
        POLICIES: policies(root),
        ACTIONS: action_table(listed),
        ACTION_SCHEMA: action_schema(listed),
        **{ERRORS / name: page for name, page in error_pages().items()},
        **{OPERATIONS / name: page for name, page in operation_pages(listed).items()},
    }


def outdated(derived: dict[Path, str], root: Path) -> list[Path]:
    """The derived files that are missing, different, or there although nothing derives them."""
    changed = [path for path, text in derived.items() if not _says(root / path, text)]
    return sorted(changed + _superfluous(derived, root))


def write(derived: dict[Path, str], root: Path) -> list[Path]:
    """Bring the outdated files up to date; returns them."""
    changed = outdated(derived, root)
    for path in changed:
        if path not in derived:
            (root / path).unlink()
            continue
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(derived[path])
    return changed


def _says(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


def _superfluous(derived: dict[Path, str], root: Path) -> list[Path]:
    pages = [page.relative_to(root) for folder in (ERRORS, OPERATIONS) for page in (root / folder).glob("*.md")]
    return [page for page in pages if page not in derived]
