"""AWS: error codes of the services as botocore gives them, and of Step Functions' tasks.

The throttling and transient codes are botocore's own lists (botocore.retries.standard): nothing was done.
"""

from isthmus.failure import Conflict, Defect, Precondition, Refused, Unavailable
from isthmus.faults.codes.meaning import BY_EFFECT, DEPLOYMENT, DONE, Code, Codes, Meaning

_MEANINGS: dict[Meaning, tuple[Code, ...]] = {
    Meaning(Unavailable): (
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "ModelNotReadyException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
        "TransactionConflictException",
        "ProvisionedThroughputExceeded",  # from here on: why a transaction was cancelled
        "ThrottlingError",
        "TransactionConflict",
    ),
    Meaning(Conflict): ("ConditionalCheckFailedException", "ConditionalCheckFailed", "PreconditionFailed"),
    DONE: ("ExecutionAlreadyExists",),
    Meaning(Refused): ("ModelError",),
    Meaning(Defect): (
        "IdempotentParameterMismatchException",
        "ItemCollectionSizeLimitExceeded",
        "ItemCollectionSizeLimitExceededException",
        "SerializationException",
        "ValidationError",
    ),
    DEPLOYMENT: (
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "NoSuchBucket",
        "ResourceNotFoundException",
        "StateMachineDoesNotExist",
        "UnrecognizedClientException",
        "ValidationException",
    ),
    BY_EFFECT: (
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "InternalDependencyException",
        "ServiceUnavailable",
        "States.Timeout",  # of a task that may have sent
    ),
    Meaning(Precondition): ("KMSInvalidStateException", "StateMachineDeleting"),
}

AWS = Codes({code: meaning for meaning, codes in _MEANINGS.items() for code in codes}, {})
