"""The failures that every adapter raises in the same words."""

from isthmus.failure import Conflict, Unavailable, Upstream


def conflict() -> Conflict:
    """A condition did not hold and nothing was changed."""
    return Conflict(
        "What is stored is not what this write expects.",
        next_step="Read it again and decide anew.",
        code="storage/condition",
    )


def unavailable(system: str, code: int | str) -> Unavailable:
    """The store `system` did not answer, or answered with a code that says: not now.

    A write may have happened all the same. Repeating it is safe because every write names its own key: without a
    condition it writes the same again, with one it is refused, and a read then tells whose write it was.
    """
    return Unavailable(
        "The store did not answer.",
        next_step="Repeat the request; when a repeated write is refused, read what is stored.",
        code="storage/unavailable",
        upstream=Upstream(system, code),
    )
