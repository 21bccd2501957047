"""Settling by hand: what no look-up tells, two people say, each having seen evidence.

A payment that nobody could find out about within the ledger's patience is in needs-person. One person proposes what
became of it, another confirms the same, and only then are its books closed; either takes it back with `withdrawn`.
Whoever is wrong here pays twice or loses a payment, so it is never one person alone and never a program.
"""

from typing import Literal

from isthmus.access.caller import Caller
from isthmus.failure import Conflict, FieldError, Forbidden, Invalid
from isthmus.journal import Head
from isthmus.ledger.engine import Ledger
from isthmus.ledger.records import FINAL
from isthmus.storage.table import Item

Verdict = Literal["succeeded", "refused", "withdrawn"]


def settle(ledger: Ledger, head: Head, caller: Caller, verdict: Verdict, evidence: str, spent_msat: int | None) -> Head:
    """Propose, confirm or withdraw; the same again does nothing.

    Args:
        ledger: the engine.
        head: the payment.
        caller: who says so.
        verdict: what became of the payment.
        evidence: what the caller has seen.
        spent_msat: what it cost, if it succeeded.

    Raises:
        Conflict: the payment waits for nobody, or the other person has said something else.
        Forbidden: the caller is no person, or the one who proposed it.
        Invalid: the amount is missing, or none that it can have cost.
        Unavailable: the store did not say whether it took it; the same again is safe.
    """
    if caller.kind != "did":
        raise Forbidden(
            "Only people settle by hand.", next_step="Sign the request with a person's DID.", code="ledger/no-person"
        )
    _check_amount(head, verdict, spent_msat)
    said: Item = {"verdict": verdict, "evidence": evidence, "by": caller.id, "at_ms": ledger.now_ms()}
    if verdict == "withdrawn":
        return _withdrawn(ledger, head, said)
    if head.state == "needs-person":
        return ledger.change(head, "proposed", {"proposal": {**said, "spent_msat": spent_msat}}, by=caller.id)
    if head.state == "proposed":
        return _confirmed(ledger, head, said, spent_msat)
    if head.state == verdict and _settled_alike(head, caller.id, spent_msat):
        return head
    raise _not_waiting(head)


def _withdrawn(ledger: Ledger, head: Head, said: Item) -> Head:
    if head.state == "needs-person" and head.data.get("withdrawal", {}).get("by") == said["by"]:
        return head
    if head.state != "proposed":
        raise _not_waiting(head)
    return ledger.change(head, "withdrawn", {"withdrawal": said}, by=said["by"])


def _confirmed(ledger: Ledger, head: Head, said: Item, spent_msat: int | None) -> Head:
    proposal = head.data["proposal"]
    if (said["verdict"], spent_msat) != (proposal["verdict"], proposal["spent_msat"]):
        raise Conflict(
            "Another verdict or another amount is proposed.",
            next_step="Read the payment's proposal; confirm it as it is, or withdraw it and propose yours.",
            code="ledger/other-verdict",
        )
    if said["by"] == proposal["by"]:
        if said["evidence"] == proposal["evidence"]:
            return head
        raise Forbidden(
            "Who proposed it cannot confirm it.",
            next_step="Have another person look at the evidence and send the same verdict.",
            code="ledger/second-person",
        )
    settlement = {"settlement": [proposal, {**said, "spent_msat": spent_msat}]}
    if said["verdict"] == "succeeded":
        return ledger.change(head, "succeeded", settlement | {"spent_msat": spent_msat}, by=said["by"])
    return ledger.change(head, "refused", settlement | {"refusal": _REFUSAL}, by=said["by"])


_REFUSAL: Item = {
    "kind": "refused",
    "code": "ledger/settled-by-hand",
    "reason": "Two people have found that the payment did not happen and cannot happen any more.",
    "next_step": "Send the request with a new Idempotency-Key to pay anew.",
    "system": "",
    "upstream_code": "",
}


def _settled_alike(head: Head, who: str, spent_msat: int | None) -> bool:
    """Whether it is this that the caller has said to a payment that is settled now."""
    told = head.data.get("settlement", ())
    return any((one["by"], one["spent_msat"]) == (who, spent_msat) for one in told)


def _check_amount(head: Head, verdict: Verdict, spent_msat: int | None) -> None:
    if verdict != "succeeded":
        wrong = None if spent_msat is None else "only what succeeded has cost something"
    elif spent_msat is None:
        wrong = "say what it cost, fees included"
    else:
        most = head.data.get("max_msat", 0)
        wrong = None if spent_msat <= most else f"it can have cost {most} msat at most"
    if wrong:
        raise Invalid(
            "The amount does not fit the verdict.",
            next_step="Correct the field listed in `errors`.",
            code="ledger/spent",
            errors=(FieldError("/spent_msat", wrong),),
        )


def _not_waiting(head: Head) -> Conflict:
    final = "It is settled for ever." if head.state in FINAL else "The ledger goes on finding out by itself."
    return Conflict(
        f"The payment is {head.state}: it waits for no such word of a person.",
        next_step=f"{final} GET its location to see its state.",
        code="ledger/not-waiting",
    )
