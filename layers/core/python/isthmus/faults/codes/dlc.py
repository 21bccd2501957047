"""Discreet log contracts: the variants of ddk-manager's error type (error.rs), and what we see ourselves."""

from isthmus.failure import Conflict, Integrity, Invalid, Refused, Unavailable
from isthmus.faults.codes.meaning import BY_EFFECT, Codes, Meaning

DLC = Codes(
    {
        "Conversion": Meaning(Invalid),
        "Deserialize": Meaning(Invalid),
        "InvalidParameters": Meaning(Invalid),
        "DlcError": Meaning(Invalid),
        "InvalidState": Meaning(Conflict, severity="error"),  # "likely to indicate a bug", says error.rs
        "IOError": BY_EFFECT,
        "StorageError": BY_EFFECT,
        "BlockchainError": BY_EFFECT,  # also when the funding transaction is sent
        "WalletError": Meaning(Unavailable),  # before anything is signed
        "OracleError": Meaning(Unavailable),
        "SecpError": Meaning(Refused),  # the other party's signature is wrong
        "TwoAttestations": Meaning(Integrity),  # ours: an oracle attested to two outcomes of one event
    },
    {},
)
