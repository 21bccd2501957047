"""The declaration of an operation and its control flow: one file, one function, one Lambda.

    request handling -> authentication -> authorization -> execution -> response

`@operation(...)` turns a plain function into an `Operation`, which is the Lambda handler itself. The same handler
serves an HTTPS route (API Gateway HTTP API v2), a Step Functions task, an EventBridge schedule and, for what follows
a partition of the table, its stream; the event decides.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, partial
from typing import Any, Literal, get_type_hints

from isthmus import recovery, respond, wiring
from isthmus.access.caller import ANONYMOUS, Caller, from_context
from isthmus.access.policy import Action, decide
from isthmus.access.refusal import from_refusal
from isthmus.failure import Defect, Failure, Forbidden
from isthmus.faults import metrics, reports
from isthmus.faults.fingerprint import fingerprint
from isthmus.fields import Request, Response
from isthmus.ports import COSTS, Clock
from isthmus.request import Channel, channel_of, parse

Service = Literal["", "authorizer", "dead-letters"]
"""What only the platform may start an operation as: the authorizer of all routes, the end of events that failed."""


class Effect(Enum):
    """What an operation does to the world."""

    READ = "read"
    CHANGE = "change"
    SPEND = "spend"


@dataclass(frozen=True)
class Operation:
    """One integration operation: its declaration, and as a callable its Lambda handler."""

    function: Callable[..., Response]
    route: str | None
    schedule: str | None
    effect: Effect
    errors: tuple[type[Failure], ...]
    status: int
    timeout_s: int
    memory_mb: int
    public: bool = False
    service: Service = ""
    guarded: bool = True
    follows: str | None = None

    @cached_property
    def name(self) -> str:
        """The function's name; unique in the catalogue."""
        return self.function.__name__

    @cached_property
    def domain(self) -> str:
        """The folder under functions/."""
        return self.function.__module__.rsplit(".", 2)[-2]

    @cached_property
    def handler(self) -> str:
        """What the template's Handler says."""
        return f"{self.function.__module__}.{self.name}"

    @cached_property
    def method(self) -> str | None:
        """The HTTP method of the route, ANY for the catch-all route `$default`, or None."""
        if self.route is None:
            return None
        return self.route.split(" ")[0] if " " in self.route else "ANY"

    @cached_property
    def path(self) -> str | None:
        """The path of the route, or None."""
        return self.route.split(" ")[-1] if self.route else None

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.function)

    @cached_property
    def request(self) -> type[Request]:
        """The model of the first parameter."""
        first: type[Request] = next(iter(self._hints.values()))
        if not issubclass(first, Request):
            raise TypeError(f"the first parameter of {self.name} is its Request")
        return first

    @cached_property
    def response(self) -> type[Response]:
        """The model of the answer."""
        answer: type[Response] = self._hints["return"]
        return answer

    @cached_property
    def ports(self) -> dict[str, type]:
        """Every further parameter, and the port that is injected into it."""
        return {name: port for name, port in list(self._hints.items())[1:] if name != "return"}

    @cached_property
    def neighbours(self) -> dict[str, str]:
        """The neighbour behind each parameter whose port leads to one."""
        priced = {name: COSTS[port].neighbour for name, port in self.ports.items() if port in COSTS}
        return {name: neighbour for name, neighbour in priced.items() if neighbour}

    @cached_property
    def scope(self) -> str:
        """What a caller's scopes must contain to use it, for roles that are limited by scopes."""
        return f"{self.domain}:{self.effect.value}"

    @cached_property
    def action(self) -> Action:
        """The operation as the policies see it."""
        reached = {
            "routed": self.path not in (None, "$default"),
            "scheduled": self.schedule is not None,
            "returned": self.service == "dead-letters",
            "public": self.public or self.service == "authorizer",
        }
        groups = (self.effect.value, self.domain, *(group for group, yes in reached.items() if yes))
        return Action(f"{self.domain}.{self.name}", self.scope, groups)

    @cached_property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (self.function.__doc__ or "").strip().split("\n")[0]

    def __call__(self, event: Mapping[str, Any], context: Any) -> Any:
        """Serve one event: the five steps, and the one place where anything may be caught."""
        started = time.perf_counter_ns()
        channel, instance = channel_of(event), _instance(event, context)
        failure: Failure | None = None
        try:
            request = parse(self.request, self.path, channel, event)
            caller = self.authenticate(channel, event)
            self.authorize(caller, request)
            response = self.execute(request, caller, channel)
        except Failure as known:
            failure = known
        except Exception as unknown:  # noqa: BLE001 - the one broad except: whatever happens, the caller gets a document
            failure = Defect(
                f"The operation {self.name} failed in a way it should not.",
                next_step="Report the instance id; repeating is safe when the operation only reads.",
            )
            failure.__cause__ = unknown
        if failure is not None:
            failure.group = fingerprint(f"{self.domain}.{self.name}", failure)
        respond.log(self, channel, instance, time.perf_counter_ns() - started, failure)
        if failure is not None:
            metrics.failed(self.domain, failure)
            reports.report(f"{self.domain}.{self.name}", channel.value, instance, failure)
            return respond.refuse(channel, failure, instance)
        return respond.answer(channel, self.status, response, instance)

    def authenticate(self, channel: Channel, event: Mapping[str, Any]) -> Caller:
        """Who asks: the authorizer checked the proof of an HTTPS request, IAM checked everything else.

        Raises:
            Failure: the authorizer's refusal; Unauthenticated for the most part.
        """
        if channel is Channel.TASK:
            return Caller("execution", str(event["execution"]), "system")
        if channel is Channel.SCHEDULE:
            return Caller("schedule", str(next(iter(event["resources"]), "")), "system")
        if channel is Channel.STREAM:  # what follows has a schedule too, and may do by the one what it may by the other
            return Caller("schedule", str(event["Records"][0].get("eventSourceARN", "")), "system")
        if channel is Channel.LETTER:
            return Caller("letter", "", "system")
        if channel is Channel.AUTHORIZER:
            return ANONYMOUS
        told = event["requestContext"].get("authorizer", {}).get("lambda") or {}
        if "refused" in told:
            raise from_refusal(told["refused"])
        return from_context(told) if "kind" in told else ANONYMOUS

    def authorize(self, caller: Caller, request: Request) -> None:
        """Whether the caller may do this: the policies decide, before anything is looked up.

        Raises:
            Unauthenticated: nobody known asks, and the operation is not public.
            Forbidden: no policy permits it, or one forbids it; nothing more is said.
        """
        decision = decide(
            caller, self.action, now_ms=self._now_ms(), tenant=request.for_tenant(), amount_msat=request.spends_msat()
        )
        if decision.allowed:
            return
        if caller is ANONYMOUS:
            raise from_refusal(None)
        raise Forbidden(
            "No policy lets this caller do this.",
            next_step="POST /v1/access/check says what would be needed.",
            code="access/denied",
        )

    def execute(self, request: Request, caller: Caller, channel: Channel) -> Response:
        """Run the function with its ports injected by type, and what recovery there is."""
        ports = {name: caller if port is Caller else wiring.provide(port) for name, port in self.ports.items()}
        return recovery.run(self, channel, ports, partial(self.function, request))

    def _now_ms(self) -> int:
        port: Any = Clock
        now_ms: int = wiring.provide(port).now_ms()
        return now_ms


def operation(
    route: str | None = None,
    *,
    effect: Effect,
    schedule: str | None = None,
    follows: str | None = None,
    errors: tuple[type[Failure], ...] = (),
    status: int = 200,
    timeout_s: int = 29,
    memory_mb: int = 512,
    public: bool = False,
    service: Service = "",
    guarded: bool = True,
) -> Callable[[Callable[..., Response]], Operation]:
    """Declare an operation.

    Args:
        route: `METHOD /v1/path/{parameter}`, or None for what only state machines and schedules start.
        effect: READ may be repeated anywhere; CHANGE is idempotent by its own keys; SPEND moves money.
        schedule: an EventBridge expression, `rate(1 minute)` or `cron(...)`.
        follows: a partition of the table in which new rows start the operation, too, within seconds. It is not told
            which, and its schedule catches up with what nobody told it.
        errors: failures it raises beyond those every operation can.
        status: the HTTP status of success.
        timeout_s: the Lambda's time limit; routes end at API Gateway's 29 s.
        memory_mb: the Lambda's memory.
        public: the route asks for no proof of who calls; the policies still decide.
        service: what the platform itself starts it as.
        guarded: an open breaker keeps it from its neighbours; not what diagnoses them.
    """

    def declare(function: Callable[..., Response]) -> Operation:
        return Operation(
            function,
            route,
            schedule,
            effect,
            errors,
            status,
            timeout_s,
            memory_mb,
            public=public,
            service=service,
            guarded=guarded,
            follows=follows,
        )

    return declare


def _instance(event: Mapping[str, Any], context: Any) -> str:
    """The id of this request: API Gateway's, else Lambda's, else a fresh one."""
    http = event.get("requestContext") if isinstance(event.get("requestContext"), Mapping) else None
    return str((http or {}).get("requestId") or getattr(context, "aws_request_id", None) or uuid.uuid4())
