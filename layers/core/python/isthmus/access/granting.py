"""An access token for a DID that proves itself: assertion, proof and principal in, token out."""

from dataclasses import replace

from isthmus.access import assertions, dpop, scopes, tokens
from isthmus.access.assertions import TOKEN_PATH
from isthmus.access.authentication import Known, known_caller
from isthmus.access.caller import Caller
from isthmus.access.replay import once
from isthmus.access.unproven import unproven
from isthmus.ports import TokenSigner


def grant(
    assertion: str, proof: str, asked: tuple[str, ...], origin: str, known: Known, signer: TokenSigner
) -> tuple[str, Caller]:
    """A token, and the caller it stands for.

    Args:
        assertion: the JWT by which the DID asks (RFC 7523).
        proof: the DPoP proof of the key that the token is to be bound to (RFC 9449 section 5);
            empty when there is none.
        asked: the scopes it is to have; all that the DID has when none is named.
        origin: scheme and authority that the request was sent to.
        known: what proofs are checked against.
        signer: who signs the token.

    Raises:
        Unauthenticated: a proof does not hold, or nobody gave the DID a role.
        Unavailable: a store or the signer did not answer.
    """
    now_ms = known.clock.now_ms()
    if not proof:
        raise unproven("scheme", "The request comes without a DPoP proof.", "Send a proof in the header DPoP.")
    bound = dpop.verify(proof, "POST", origin + TOKEN_PATH, now_ms // 1000)
    asserted = assertions.verify(assertion, origin, now_ms // 1000, known.resolver)
    if asserted.bound_to not in ("", bound.thumbprint):
        raise unproven("proof-mismatch", "The proof is made with another key than the one in the assertion's cnf.")
    caller = known_caller(asserted.did, known, asserted.issued_s * 1000)
    caller = replace(caller, scopes=scopes.narrowed(asked, caller.scopes))
    once(known.table, "assertion", asserted.use_id, asserted.expires_s)
    once(known.table, "proof", bound.use_id, bound.expires_s)
    return tokens.issue(signer, caller, origin, bound.thumbprint, now_ms // 1000), caller
