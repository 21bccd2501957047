"""Why the authorizer knows no caller, on its way to the operation that says so."""

from collections.abc import Mapping
from typing import Any

from isthmus.failure import Defect, Failure, Forbidden, Limited, Unauthenticated, Unavailable

_KINDS: dict[str, type[Failure]] = {one.kind: one for one in (Unauthenticated, Forbidden, Limited, Unavailable)}
_NEXT_STEP = "Send a DPoP access token from POST /v1/auth/token with its proof, a signature (RFC 9421), or an API key."


def to_refusal(failure: Failure) -> dict[str, Any]:
    """What the authorizer tells the operation of a failure."""
    return {"kind": failure.kind, "code": failure.code, "detail": failure.detail, "next_step": failure.next_step}


def from_refusal(told: Mapping[str, Any] | None) -> Failure:
    """The failure that the operation answers with; without a word from the authorizer there was no proof at all."""
    if told is None:
        return Unauthenticated("The request says not who asks.", next_step=_NEXT_STEP, code="auth/none")
    kind = _KINDS.get(told["kind"], Unauthenticated if told["kind"] == "invalid" else Defect)
    return kind(told["detail"], next_step=told["next_step"], code=told["code"])
