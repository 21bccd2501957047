"""Everything that can go wrong, as one tree.

    Failure
    ├── Invalid            422  the request says something we cannot do
    │   ├── Malformed      400  the request cannot be read at all
    │   ├── TooLarge       413  the request is larger than the limit
    │   └── WrongMediaType 415  the body is not JSON
    ├── Unauthenticated    401  nobody we know is asking
    ├── Forbidden          403  the caller may not do this
    ├── NotFound           404  what was asked for does not exist
    ├── Conflict           409  the state has changed under the request
    ├── Precondition       409  the neighbour is not in a state that allows this
    ├── Limited            429  a rate, budget or quota is used up
    ├── Funds              402  there is not enough money for this
    ├── Refused            422  the other side gave a definite no
    ├── Expired            410  what this is about was valid until a while ago
    ├── Unavailable        503  nobody answered, or it was too early to ask; the same request again is safe
    ├── Unknown            202  the answer was lost: the effect may have happened, and is being looked up
    ├── Unsupported        501  this neighbour cannot do this
    ├── Integrity          500  an invariant is broken: stop and look
    └── Defect             500  our own mistake

Every failure answers three questions: did money move, may the caller repeat, and what is the next step.
The line between Unavailable and Unknown is whether repeating is safe. Unavailable is what certainly was not performed,
every read, and every write under a key of its own (the stores, CHANGE operations): that one may have happened, and the
repetition does nothing or finds it. Whatever must not happen twice and may have happened is Unknown, never Unavailable.
The rendered form is RFC 9457 problem+json. Text from neighbours never enters it: only their codes do.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

Repeat = Literal["same-key", "later", "change-request", "new-intent", "never"]
Severity = Literal["info", "notice", "warning", "error", "critical"]
MoneyMoved = Literal["no", "yes", "unknown"]


@dataclass(frozen=True)
class FieldError:
    """One refused field: an RFC 6901 JSON pointer into the request and the reason."""

    pointer: str
    message: str


@dataclass(frozen=True)
class Upstream:
    """Which neighbour refused and with which of its codes; never its text."""

    system: str
    code: int | str


class Failure(Exception):  # noqa: N818 - a failure is what users call it
    """Anything that keeps an operation from its answer; the subclass fixes kind, status, severity and repeat."""

    kind: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[int]
    repeat: ClassVar[Repeat]
    severity: Severity
    money_moved: MoneyMoved = "no"
    group: str = ""
    """Which failures have the same cause as this one; the control flow says so (isthmus.faults.fingerprint)."""

    def __init__(
        self,
        detail: str,
        *,
        next_step: str,
        code: str = "",
        errors: tuple[FieldError, ...] = (),
        upstream: Upstream | None = None,
        money_moved: MoneyMoved | None = None,
        retry_after_ms: int | None = None,
        severity: Severity | None = None,
        location: str = "",
    ) -> None:
        """Describe one failure.

        Args:
            detail: what happened, one sentence in our own words.
            next_step: what the reader can do about it, one sentence.
            code: `domain/what` in kebab case; the end of the problem type's address.
            errors: refused fields, for Invalid.
            upstream: the neighbour's own code, if one answered.
            money_moved: the kind's, which is "no" for every kind but Unknown, unless this says otherwise.
            retry_after_ms: when repeating makes sense, if that is known.
            severity: the kind's, unless this one is worse or milder.
            location: the path of the resource that will know what became of it, for Unknown.
        """
        super().__init__(detail, next_step)
        self.detail = detail
        self.next_step = next_step
        self.code = code
        self.errors = errors
        self.upstream = upstream
        self.retry_after_ms = retry_after_ms
        self.location = location
        if money_moved is not None:
            self.money_moved = money_moved
        if severity is not None:
            self.severity = severity

    def __str__(self) -> str:
        return f"{self.detail} {self.next_step}"

    def problem(self, instance: str) -> dict[str, Any]:
        """The RFC 9457 document of this failure for the request `instance`."""
        document: dict[str, Any] = {
            "type": "/problems/" + "/".join(part for part in (self.kind, self.code) if part),
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "next_step": self.next_step,
            "kind": self.kind,
            "severity": self.severity,
            "money_moved": self.money_moved,
            "repeat": self.repeat,
        }
        if self.errors:
            document["errors"] = [{"pointer": e.pointer, "message": e.message} for e in self.errors]
        if self.upstream:
            document["upstream"] = {"system": self.upstream.system, "code": self.upstream.code}
        if self.retry_after_ms is not None:
            document["retry_after_ms"] = self.retry_after_ms
        if self.group:
            document["group"] = self.group
        return document


class Invalid(Failure):
    """The request says something we cannot do."""

    kind, title, status = "invalid", "The request is not valid", 422
    severity, repeat = "info", "change-request"


class Malformed(Invalid):
    """The request cannot be read at all."""

    title, status = "The request cannot be read", 400


class TooLarge(Invalid):
    """The request is larger than the limit."""

    title, status = "The request is too large", 413


class WrongMediaType(Invalid):
    """The body is not JSON."""

    title, status = "The body is not JSON", 415


class Unauthenticated(Failure):
    """Nobody we know is asking."""

    kind, title, status = "unauthenticated", "The caller is not known", 401
    severity, repeat = "notice", "change-request"


class Forbidden(Failure):
    """The caller may not do this."""

    kind, title, status = "forbidden", "The caller may not do this", 403
    severity, repeat = "notice", "never"


class NotFound(Failure):
    """What was asked for does not exist."""

    kind, title, status = "not-found", "Not found", 404
    severity, repeat = "info", "never"


class Conflict(Failure):
    """The state has changed under the request."""

    kind, title, status = "conflict", "The state has changed", 409
    severity, repeat = "info", "change-request"


class Precondition(Failure):
    """The neighbour is not in a state that allows this."""

    kind, title, status = "precondition", "A precondition is not met", 409
    severity, repeat = "warning", "later"


class Limited(Failure):
    """A rate, budget or quota is used up."""

    kind, title, status = "limit", "A limit is reached", 429
    severity, repeat = "notice", "later"


class Funds(Failure):
    """There is not enough money for this."""

    kind, title, status = "funds", "Not enough funds", 402
    severity, repeat = "notice", "new-intent"


class Refused(Failure):
    """The other side gave a definite no."""

    kind, title, status = "refused", "Refused", 422
    severity, repeat = "notice", "new-intent"


class Expired(Failure):
    """What this is about was valid until a while ago."""

    kind, title, status = "expired", "Expired", 410
    severity, repeat = "info", "new-intent"


class Unavailable(Failure):
    """Nobody answered, or it was too early to ask; the same request again is safe."""

    kind, title, status = "unavailable", "A neighbour is unavailable", 503
    severity, repeat = "warning", "same-key"


class Unknown(Failure):
    """The answer was lost: the effect may have happened, and is being looked up."""

    kind, title, status = "unknown", "Not known yet", 202
    severity, repeat, money_moved = "warning", "same-key", "unknown"


class Unsupported(Failure):
    """This neighbour cannot do this."""

    kind, title, status = "unsupported", "Not supported", 501
    severity, repeat = "info", "never"


class Integrity(Failure):
    """An invariant is broken: stop and look."""

    kind, title, status = "integrity", "An invariant is broken", 500
    severity, repeat = "critical", "never"


class Defect(Failure):
    """Our own mistake."""

    kind, title, status = "defect", "A defect in Isthmus", 500
    severity, repeat = "error", "same-key"
