"""From a neighbour's code to the kind of failure: one function over the tables of isthmus.faults.codes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from isthmus import log
from isthmus.failure import Defect, Failure, Severity, Unknown
from isthmus.faults import metrics
from isthmus.faults.codes.aws import AWS
from isthmus.faults.codes.bolt4 import BOLT4
from isthmus.faults.codes.core_lightning import CORE_LIGHTNING
from isthmus.faults.codes.dlc import DLC
from isthmus.faults.codes.dwn import DWN
from isthmus.faults.codes.lnd import LND
from isthmus.faults.codes.meaning import Code, Codes
from isthmus.faults.codes.rgb import RGB
from isthmus.faults.codes.stacks import STACKS
from isthmus.operation import Effect

TABLES: Mapping[str, Codes] = MappingProxyType(
    {
        "aws": AWS,
        "bolt4": BOLT4,
        "core-lightning": CORE_LIGHTNING,
        "dlc": DLC,
        "dwn": DWN,
        "lnd": LND,
        "rgb": RGB,
        "stacks": STACKS,
    }
)

_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,64}( [A-Za-z0-9_.-]{1,64})?")


@dataclass(frozen=True)
class Verdict:
    """What a code means for one request; with `done` the effect exists, and the request has succeeded."""

    kind: type[Failure]
    severity: Severity
    done: bool = False


def classify(system: str, code: Code, effect: Effect) -> Verdict:
    """What the code of a neighbour means for a request with this effect.

    A code in no table is our Defect when nothing can have happened twice, Unknown when something may have been spent,
    and is counted: a log line `unmapped` with the code, if that is no text.

    Raises:
        KeyError: there is no table of that system.
    """
    meaning = TABLES[system].find(code)
    if meaning is None:
        shown = code if isinstance(code, int) or _PLAIN.fullmatch(code) else "unreadable"
        log.logger().warning("unmapped", upstream={"system": system, "code": shown}, effect=effect.value, unmapped=1)
        metrics.unmapped(system)
        kind: type[Failure] = Unknown if effect is Effect.SPEND else Defect
        return Verdict(kind, kind.severity)
    kind = meaning.spending if meaning.spending and effect is Effect.SPEND else meaning.kind
    return Verdict(kind, meaning.severity or kind.severity, meaning.done)
