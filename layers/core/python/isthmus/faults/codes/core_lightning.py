"""Core Lightning's JSON-RPC error codes (common/jsonrpc_errors.h, doc/schemas), as of release 26.06.

A payment is only refused by codes that its destination or our own route search gives for good: xpay and pay may end
with 202, 208, 209, 210, 211 or -3 while parts are on their way (lightning#2629), so those are never failures.
"""

from isthmus.failure import (
    Conflict,
    Defect,
    Expired,
    Forbidden,
    Funds,
    Invalid,
    Limited,
    NotFound,
    Precondition,
    Refused,
    Unavailable,
    Unknown,
    Unsupported,
)
from isthmus.faults.codes.meaning import BY_EFFECT, DONE, PENDING, Codes, Meaning

CORE_LIGHTNING = Codes(
    {
        -32600: Meaning(Defect),  # JSONRPC2_INVALID_REQUEST
        -32601: Meaning(Defect),  # JSONRPC2_METHOD_NOT_FOUND
        -32602: Meaning(Invalid),  # JSONRPC2_INVALID_PARAMS: also an invoice that cannot be read
        -1: BY_EFFECT,  # LIGHTNINGD
        -2: Meaning(Defect),  # PARAM_DEV_ERROR
        -3: BY_EFFECT,  # PLUGIN_ERROR: xpay says so of a payment in flight
        -4: BY_EFFECT,  # PLUGIN_TERMINATED
        -5: BY_EFFECT,  # LIGHTNINGD_SHUTDOWN while it handled the request
        200: PENDING,  # PAY_IN_PROGRESS
        201: Meaning(Conflict),  # PAY_RHASH_ALREADY_USED
        202: Meaning(Unknown),  # PAY_UNPARSEABLE_ONION
        203: Meaning(Refused),  # PAY_DESTINATION_PERM_FAIL
        204: BY_EFFECT,  # PAY_TRY_OTHER_ROUTE: of one part, by sendpay
        205: Meaning(Refused),  # PAY_ROUTE_NOT_FOUND
        206: Meaning(Limited),  # PAY_ROUTE_TOO_EXPENSIVE
        207: Meaning(Expired),  # PAY_INVOICE_EXPIRED
        208: Meaning(NotFound, spending=Unknown),  # PAY_NO_SUCH_PAYMENT: waitsendpay says so of complete payments
        209: Meaning(Unknown),  # PAY_UNSPECIFIED_ERROR
        210: Meaning(Unknown),  # PAY_STOPPED_RETRYING
        211: Meaning(Unknown),  # PAY_STATUS_UNEXPECTED
        212: Meaning(Invalid),  # PAY_INVOICE_REQUEST_INVALID
        213: Meaning(Refused),  # PAY_INVOICE_PREAPPROVAL_DECLINED
        214: Meaning(Refused),  # PAY_KEYSEND_PREAPPROVAL_DECLINED
        215: Meaning(Funds),  # not enough in our channels
        216: Meaning(Refused),  # the destination cannot be reached
        217: Meaning(Invalid),  # the caller's own contradiction
        218: BY_EFFECT,  # PAY_INJECTPAYMENTONION_FAILED: of one part
        219: DONE,  # PAY_INJECTPAYMENTONION_ALREADY_PAID
        220: Meaning(Refused),  # no route
        300: Meaning(Invalid),  # FUND_MAX_EXCEEDED
        301: Meaning(Funds),  # FUND_CANNOT_AFFORD
        302: Meaning(Invalid),  # FUND_OUTPUT_IS_DUST
        303: BY_EFFECT,  # FUNDING_BROADCAST_FAIL
        304: Meaning(Precondition),  # FUNDING_STILL_SYNCING_BITCOIN
        305: Meaning(Precondition),  # FUNDING_PEER_NOT_CONNECTED
        306: Meaning(NotFound),  # FUNDING_UNKNOWN_PEER
        307: Meaning(Conflict),  # FUNDING_NOTHING_TO_CANCEL
        308: Meaning(Conflict),  # FUNDING_CANCEL_NOT_SAFE
        309: Meaning(Invalid),  # FUNDING_PSBT_INVALID
        310: Meaning(Unsupported),  # FUNDING_V2_NOT_SUPPORTED
        311: Meaning(NotFound),  # FUNDING_UNKNOWN_CHANNEL
        312: Meaning(Conflict),  # FUNDING_STATE_INVALID
        313: Meaning(Funds),  # FUND_CANNOT_AFFORD_WITH_EMERGENCY
        350: BY_EFFECT,  # SPLICE_BROADCAST_FAIL
        351: Meaning(Forbidden),  # SPLICE_WRONG_OWNER
        352: Meaning(NotFound),  # SPLICE_UNKNOWN_CHANNEL
        353: Meaning(Conflict),  # SPLICE_INVALID_CHANNEL_STATE
        354: Meaning(Unsupported),  # SPLICE_NOT_SUPPORTED
        355: Meaning(Precondition),  # SPLICE_BUSY_ERROR
        356: Meaning(Invalid),  # SPLICE_INPUT_ERROR
        357: Meaning(Funds),  # SPLICE_FUNDING_LOW
        358: Meaning(Conflict),  # SPLICE_STATE_ERROR
        359: Meaning(Invalid),  # SPLICE_LOW_FEE
        360: Meaning(Invalid),  # SPLICE_HIGH_FEE
        362: Meaning(Refused),  # SPLICE_ABORT
        400: Meaning(NotFound),  # CONNECT_NO_KNOWN_ADDRESS
        401: Meaning(Unavailable),  # CONNECT_ALL_ADDRESSES_FAILED
        402: Meaning(Unavailable),  # CONNECT_DISCONNECTED_DURING
        500: BY_EFFECT,  # BCLI_ERROR
        501: Meaning(Unavailable),  # BCLI_NO_FEE_ESTIMATES
        800: Meaning(Defect),  # HSM_ECDH_FAILED
        900: Meaning(Conflict),  # INVOICE_LABEL_ALREADY_EXISTS
        901: Meaning(Conflict),  # INVOICE_PREIMAGE_ALREADY_EXISTS
        902: Meaning(Invalid),  # INVOICE_HINTS_GAVE_NO_ROUTES
        903: Meaning(Expired),  # INVOICE_EXPIRED_DURING_WAIT
        904: PENDING,  # INVOICE_WAIT_TIMED_OUT
        905: Meaning(NotFound),  # INVOICE_NOT_FOUND
        906: Meaning(Conflict),  # INVOICE_STATUS_UNEXPECTED
        907: Meaning(Conflict),  # INVOICE_OFFER_INACTIVE
        908: Meaning(Invalid),  # INVOICE_NO_DESCRIPTION
        1000: Meaning(Conflict),  # OFFER_ALREADY_EXISTS
        1001: Meaning(Conflict),  # OFFER_ALREADY_DISABLED
        1002: Meaning(Expired),  # OFFER_EXPIRED
        1003: Meaning(Refused),  # OFFER_ROUTE_NOT_FOUND
        1004: Meaning(Refused),  # OFFER_BAD_INVREQ_REPLY
        1005: Meaning(Unavailable),  # OFFER_TIMEOUT: no invoice yet, so nothing was paid
        1200: Meaning(NotFound),  # DATASTORE_DEL_DOES_NOT_EXIST
        1201: Meaning(Conflict),  # DATASTORE_DEL_WRONG_GENERATION
        1202: Meaning(Conflict),  # DATASTORE_UPDATE_ALREADY_EXISTS
        1203: Meaning(NotFound),  # DATASTORE_UPDATE_DOES_NOT_EXIST
        1204: Meaning(Conflict),  # DATASTORE_UPDATE_WRONG_GENERATION
        1205: Meaning(Conflict),  # DATASTORE_UPDATE_HAS_CHILDREN
        1206: Meaning(Conflict),  # DATASTORE_UPDATE_NO_CHILDREN
        1301: Meaning(NotFound),  # SIGNMESSAGE_PUBKEY_NOT_FOUND
        1401: Meaning(NotFound),  # DELFORWARD_NOT_FOUND
        1501: Meaning(Forbidden),  # RUNE_NOT_AUTHORIZED
        1502: Meaning(Forbidden),  # RUNE_NOT_PERMITTED
        1503: Meaning(Forbidden),  # RUNE_BLACKLISTED
        1600: Meaning(Conflict),  # RECOVER_NODE_IN_USE
        2000: PENDING,  # WAIT_TIMEOUT
    },
    {},
)
