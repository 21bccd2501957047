"""Decentralized web nodes and DID resolvers: `<status>` or `<status> <code>` (dwn-sdk-js, src/core/dwn-error.ts).

The status is the node's `reply.status.code`, the code what stands before the colon in its `detail`, cut to what this
table may hold; the rest of the detail is text and never read. The second of two equal writes is answered with 409.
"""

from isthmus.failure import (
    Conflict,
    Defect,
    Forbidden,
    Invalid,
    NotFound,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from isthmus.faults.codes.meaning import BY_EFFECT, DONE, Codes, Meaning

DWN = Codes(
    {
        "400": Meaning(Invalid),
        "401": Meaning(Unauthenticated),  # also "Not a registered tenant."
        "404": Meaning(NotFound),
        "409": Meaning(Conflict),
        "409 same-cid": DONE,  # ours: the message the node keeps is the very one that was sent
        "-32600": Meaning(Defect),
        "-32601": Meaning(Defect),
        "-32602": Meaning(Defect),
        "-32603": BY_EFFECT,
        "-50400": Meaning(Defect),
        "-50401": Meaning(Unauthenticated),
        "-50403": Meaning(Forbidden),
        "invalidDid": Meaning(Invalid),  # DID resolution, DID Core section 7.1
        "notFound": Meaning(NotFound),
        "methodNotSupported": Meaning(Unsupported),
        "representationNotSupported": Meaning(Unsupported),
        "invalidDidDocument": Meaning(Unavailable),
        "internalError": Meaning(Unavailable),
        "key-not-valid-then": Meaning(Unauthenticated),  # ours: the key was not in the document at the message's time
    },
    {
        "400 ": Meaning(Invalid),
        "401 Authenticate": Meaning(Unauthenticated),
        "401 Authentication": Meaning(Unauthenticated),
        "401 AuthorizationUnknownAuthor": Meaning(Unauthenticated),
        "401 GeneralJws": Meaning(Unauthenticated),
        "401 ": Meaning(Forbidden),  # grants, protocol rules, roles: the author is known and may not
        "404 ": Meaning(NotFound),
        "409 ": Meaning(Conflict),
        "400 DidResolutionFailed": Meaning(Unavailable),
        "401 DidResolutionFailed": Meaning(Unavailable),
        "400 DidMethodNotSupported": Meaning(Unsupported),
        "401 DidMethodNotSupported": Meaning(Unsupported),
    },
)
