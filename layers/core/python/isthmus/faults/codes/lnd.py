"""LND: why a payment failed (lnrpc.PaymentFailureReason), what refuses another one (payments/db), and gRPC's status.

A reason counts only beside the status FAILED, which LND sets when no HTLC is in flight or settled any more.
"""

from isthmus.failure import (
    Conflict,
    Funds,
    Integrity,
    Invalid,
    Limited,
    NotFound,
    Precondition,
    Refused,
    Unknown,
    Unsupported,
)
from isthmus.faults.codes.meaning import BY_EFFECT, DEPLOYMENT, DONE, PENDING, Codes, Meaning

LND = Codes(
    {
        "FAILURE_REASON_NONE": PENDING,
        "FAILURE_REASON_TIMEOUT": Meaning(Refused),
        "FAILURE_REASON_NO_ROUTE": Meaning(Refused),
        "FAILURE_REASON_ERROR": Meaning(Refused),
        "FAILURE_REASON_INCORRECT_PAYMENT_DETAILS": Meaning(Refused),
        "FAILURE_REASON_INSUFFICIENT_BALANCE": Meaning(Funds),
        "FAILURE_REASON_CANCELED": Meaning(Refused),
        "ErrAlreadyPaid": DONE,
        "ErrPaymentInFlight": PENDING,
        "ErrPaymentExists": PENDING,
        "transport": BY_EFFECT,  # no answer, or none of LND's
        "grpc-1": BY_EFFECT,  # CANCELLED
        "grpc-2": BY_EFFECT,  # UNKNOWN
        "grpc-3": Meaning(Invalid),  # INVALID_ARGUMENT
        "grpc-4": BY_EFFECT,  # DEADLINE_EXCEEDED
        "grpc-5": Meaning(NotFound, spending=Unknown),  # NOT_FOUND: also of a payment that is about to be initiated
        "grpc-6": Meaning(Conflict, spending=Unknown),  # ALREADY_EXISTS: in flight or paid, tracking tells
        "grpc-7": DEPLOYMENT,  # PERMISSION_DENIED: the macaroon
        "grpc-8": Meaning(Limited),  # RESOURCE_EXHAUSTED
        "grpc-9": Meaning(Precondition),  # FAILED_PRECONDITION
        "grpc-10": BY_EFFECT,  # ABORTED
        "grpc-11": Meaning(Invalid),  # OUT_OF_RANGE
        "grpc-12": Meaning(Unsupported),  # UNIMPLEMENTED
        "grpc-13": BY_EFFECT,  # INTERNAL
        "grpc-14": BY_EFFECT,  # UNAVAILABLE
        "grpc-15": Meaning(Integrity),  # DATA_LOSS
        "grpc-16": DEPLOYMENT,  # UNAUTHENTICATED: the macaroon
    },
    {},
)
