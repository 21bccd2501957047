"""Stacks: why a node does not take a transaction (`reason` of POST /v2/transactions), and HTTP statuses beside it.

A nonce that is taken may be taken by our own transaction: who sent it looks for its txid first.
"""

from isthmus.failure import Conflict, Defect, Funds, Invalid, Limited, Precondition, Refused
from isthmus.faults.codes.meaning import BY_EFFECT, Code, Codes, Meaning

_MEANINGS: dict[Meaning, tuple[Code, ...]] = {
    Meaning(Conflict): ("BadNonce", "ConflictingNonceInMempool", "ContractAlreadyExists", "ReplacedByRBF"),
    Meaning(Refused): ("FeeTooLow", "ReplaceByFeeNotEnough"),
    Meaning(Funds): ("NotEnoughFunds",),
    Meaning(Precondition): ("TooMuchChaining",),  # until the earlier ones are mined
    Meaning(Invalid): (
        "BadAddressVersionByte",
        "BadFunctionArgument",
        "NoSuchContract",
        "NoSuchPublicFunction",
        "TransferAmountMustBePositive",
        "TransferRecipientCannotEqualSender",
    ),
    Meaning(Defect): (
        "BadTransactionVersion",
        "Deserialization",
        "NoCoinbaseViaMempool",
        "NoTenureChangeViaMempool",
        "PoisonMicroblockHasUnknownPubKeyHash",
        "PoisonMicroblockIsInvalid",
        "PoisonMicroblocksDoNotConflict",
        "Serialization",
        "SignatureValidation",
    ),
    BY_EFFECT: (
        "EstimatorError",
        "ServerFailureDatabase",
        "ServerFailureNoSuchChainTip",
        "ServerFailureOther",
        "TemporarilyBlacklisted",
        "http-500",
        "http-502",
        "http-503",
        "http-504",
    ),
    Meaning(Limited): ("http-429",),
}

STACKS = Codes({code: meaning for meaning, codes in _MEANINGS.items() for code in codes}, {})
