"""The form of the tables: what one code of a neighbour means."""

from collections.abc import Mapping
from dataclasses import dataclass

from isthmus.failure import Conflict, Defect, Failure, Severity, Unavailable, Unknown

Code = int | str


@dataclass(frozen=True)
class Meaning:
    """What one code means.

    Attributes:
        kind: the failure it becomes.
        spending: the failure it becomes when the request was to spend, if that is another one.
        severity: how bad it is, if that is not what the kind says.
        done: the effect that was asked for exists; who asked for it answers success instead of failing.
    """

    kind: type[Failure]
    spending: type[Failure] | None = None
    severity: Severity | None = None
    done: bool = False


@dataclass(frozen=True)
class Codes:
    """One neighbour's codes; what stands in no line is looked for by its beginning, the longest first."""

    exact: Mapping[Code, Meaning]
    prefixes: Mapping[str, Meaning]

    def find(self, code: Code) -> Meaning | None:
        """The meaning of a code, or None when nobody has said what it means."""
        if code in self.exact:
            return self.exact[code]
        fitting = [prefix for prefix in self.prefixes if str(code).startswith(prefix)]
        return self.prefixes[max(fitting, key=len)] if fitting else None


PENDING = Meaning(Unknown)
"""The neighbour is still at it."""

DONE = Meaning(Conflict, done=True)
BY_EFFECT = Meaning(Unavailable, spending=Unknown)
DEPLOYMENT = Meaning(Defect, severity="critical")
"""The neighbour is right and our configuration is wrong: every request will fail until somebody mends it."""
