"""From a DID to its document, by method."""

from collections.abc import Callable

from isthmus.did import jwk, key
from isthmus.did.document import DidDocument, check_did
from isthmus.failure import Unsupported

METHODS: dict[str, Callable[[str], DidDocument]] = {"key": key.resolve, "jwk": jwk.resolve}


class Resolver:
    """The DidResolver port over the methods that need no network."""

    def resolve(self, did: str) -> DidDocument:
        """The document of a DID.

        Raises:
            Invalid: this is no DID, or none that its method allows.
            Unsupported: its method is not known here.
        """
        check_did(did)
        method = METHODS.get(did.split(":")[1])
        if method is None:
            raise Unsupported(
                f"DIDs of this method are not resolved here; {' and '.join(METHODS)} are.",
                next_step="Use a did:key or a did:jwk.",
                code="did/method",
            )
        return method(did)
