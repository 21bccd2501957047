"""What is said of a proof that does not hold, and how old one may be."""

from isthmus.failure import Unauthenticated

MAX_AGE_S = 60
"""From the making of a proof to its use, and from its making to its own end."""

MAX_SKEW_S = 10
"""How far a caller's clock may be ahead of ours."""

CLOCK = "Make a new proof, and see that the caller's clock is right."
ANEW = "Make a new proof for this very request."


def unproven(code: str, detail: str, next_step: str = ANEW) -> Unauthenticated:
    """A refusal with the code `auth/<code>`; the detail never quotes the proof."""
    return Unauthenticated(detail, next_step=next_step, code=f"auth/{code}")


def check_fresh(what: str, issued_s: int, now_s: int) -> None:
    """Raise Unauthenticated unless a proof is at most 60 s old and at most 10 s ahead."""
    if issued_s > now_s + MAX_SKEW_S:
        raise unproven("not-yet", f"The {what} was made in the future.", CLOCK)
    if issued_s < now_s - MAX_AGE_S:
        raise unproven(f"{what}-expired", f"The {what} is more than {MAX_AGE_S} seconds old.", CLOCK)


def check_lifetime(what: str, issued_s: int, expires_s: int, now_s: int) -> None:
    """Raise Unauthenticated unless a proof that says when it ends is fresh, not over, and meant for 60 s at most."""
    check_fresh(what, issued_s, now_s)
    if not issued_s < expires_s <= issued_s + MAX_AGE_S:
        raise unproven("claims", f"The {what} does not end within {MAX_AGE_S} seconds of its making.")
    if expires_s <= now_s:
        raise unproven(f"{what}-expired", f"The {what} has expired.", CLOCK)
