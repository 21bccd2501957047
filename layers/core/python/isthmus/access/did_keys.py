"""The key that a DID URL names, if its DID lets it authenticate."""

from isthmus.access.unproven import unproven
from isthmus.did.document import MAX_DID_CHARS
from isthmus.did.keys import PublicKey, public_key
from isthmus.failure import Invalid, Unsupported
from isthmus.ports import DidResolver

MAX_KEY_ID_CHARS = 2 * MAX_DID_CHARS + 1


def authentication_key(resolver: DidResolver, key_id: str, what: str) -> tuple[str, PublicKey]:
    """The DID in a DID URL, and the key that the URL names.

    Args:
        resolver: who knows the DID's document.
        key_id: the DID URL, `<did>#<fragment>`.
        what: what was signed with the key, for the refusal.

    Raises:
        Unauthenticated: it is no DID URL, the DID cannot be resolved, or its document does not list the key under
            `authentication`.
    """
    did, _, fragment = key_id.partition("#")
    if not fragment or len(key_id) > MAX_KEY_ID_CHARS:
        raise unproven("key", f"The {what}'s key id is not a DID with the fragment of its key.")
    try:
        method = resolver.resolve(did).method("authentication", key_id)
        key = None if method is None else public_key(method.jwk)
    except Invalid as error:
        raise unproven("did", f"The DID in the {what}'s key id is not valid.", error.next_step) from error
    except Unsupported as error:
        raise unproven("did", error.detail, error.next_step) from error
    if key is None:
        raise unproven("key", f"The {what}'s key is not one that its DID authenticates with.")
    return did, key
