"""The state machines of infra/statemachines/, and what each may do."""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path("infra/statemachines")
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_STATES = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}"


@dataclass(frozen=True)
class Machine:
    """One definition: the functions it invokes, by logical id, and whether it runs a map as child executions."""

    name: str
    path: str
    functions: tuple[str, ...]
    distributed: bool

    @property
    def logical_id(self) -> str:
        """`close-channels` is CloseChannelsMachine."""
        return "".join(word.capitalize() for word in re.split("[-_]", self.name)) + "Machine"

    @property
    def allowed(self) -> dict[tuple[str, ...], Any]:
        """The resources for each set of actions: its functions and, for a Distributed Map, its own child executions.

        The machine itself is named by name, because an Arn would be a circle.
        """
        arns = [{"Fn::GetAtt": [name, "Arn"]} for name in self.functions]
        invoke: dict[tuple[str, ...], Any] = {("lambda:InvokeFunction",): arns}
        if not self.distributed:
            return invoke
        own = f"${{AWS::StackName}}-{self.name}"
        return {
            **invoke,
            ("states:StartExecution",): {"Fn::Sub": f"{_STATES}:stateMachine:{own}"},
            ("states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"): [
                {"Fn::Sub": f"{_STATES}:execution:{own}{rest}"} for rest in (":*", "/*")
            ],
        }


def read_machines(root: Path, functions: Collection[str]) -> tuple[Machine, ...]:
    """Every definition below `root`, by name.

    Raises:
        ValueError: a definition is not JSON, or names a function that is not in `functions`.
    """
    return tuple(_read(path, functions) for path in sorted((root / FOLDER).glob("*.asl.json")))


def _read(path: Path, functions: Collection[str]) -> Machine:
    text = path.read_text()
    try:
        definition = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path.name} is not JSON") from error
    named = tuple(dict.fromkeys(_PLACEHOLDER.findall(text)))
    if strange := set(named) - set(functions):
        raise ValueError(f"{path.name} names {', '.join(sorted(strange))}, which no operation is called")
    return Machine(
        name=path.name.removesuffix(".asl.json"),
        path=(FOLDER / path.name).as_posix(),
        functions=named,
        distributed=_distributed(definition),
    )


def _distributed(node: Any) -> bool:
    """Whether a state anywhere in the definition is a Distributed Map."""
    if isinstance(node, dict):
        return node.get("Mode") == "DISTRIBUTED" or any(_distributed(child) for child in node.values())
    return isinstance(node, list) and any(_distributed(child) for child in node)
