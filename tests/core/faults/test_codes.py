"""Every code of every neighbour has one meaning: those its sources list, those its recordings show."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from isthmus.failure import (
    Conflict,
    Defect,
    Expired,
    Failure,
    Forbidden,
    Funds,
    Integrity,
    Invalid,
    Limited,
    NotFound,
    Precondition,
    Refused,
    Unauthenticated,
    Unavailable,
    Unknown,
    Unsupported,
)
from isthmus.faults.classify import TABLES, Verdict, classify
from isthmus.operation import Effect

# name in common/jsonrpc_errors.h: code, when reading, when spending
CORE_LIGHTNING: dict[str, tuple[int, type[Failure], type[Failure]]] = {
    "JSONRPC2_INVALID_REQUEST": (-32600, Defect, Defect),
    "JSONRPC2_METHOD_NOT_FOUND": (-32601, Defect, Defect),
    "JSONRPC2_INVALID_PARAMS": (-32602, Invalid, Invalid),
    "LIGHTNINGD": (-1, Unavailable, Unknown),
    "PARAM_DEV_ERROR": (-2, Defect, Defect),
    "PLUGIN_ERROR": (-3, Unavailable, Unknown),
    "PLUGIN_TERMINATED": (-4, Unavailable, Unknown),
    "LIGHTNINGD_SHUTDOWN": (-5, Unavailable, Unknown),
    "PAY_IN_PROGRESS": (200, Unknown, Unknown),
    "PAY_RHASH_ALREADY_USED": (201, Conflict, Conflict),
    "PAY_UNPARSEABLE_ONION": (202, Unknown, Unknown),
    "PAY_DESTINATION_PERM_FAIL": (203, Refused, Refused),
    "PAY_TRY_OTHER_ROUTE": (204, Unavailable, Unknown),
    "PAY_ROUTE_NOT_FOUND": (205, Refused, Refused),
    "PAY_ROUTE_TOO_EXPENSIVE": (206, Limited, Limited),
    "PAY_INVOICE_EXPIRED": (207, Expired, Expired),
    "PAY_NO_SUCH_PAYMENT": (208, NotFound, Unknown),
    "PAY_UNSPECIFIED_ERROR": (209, Unknown, Unknown),
    "PAY_STOPPED_RETRYING": (210, Unknown, Unknown),
    "PAY_STATUS_UNEXPECTED": (211, Unknown, Unknown),
    "PAY_INVOICE_REQUEST_INVALID": (212, Invalid, Invalid),
    "PAY_INVOICE_PREAPPROVAL_DECLINED": (213, Refused, Refused),
    "PAY_KEYSEND_PREAPPROVAL_DECLINED": (214, Refused, Refused),
    "215": (215, Funds, Funds),
    "216": (216, Refused, Refused),
    "217": (217, Invalid, Invalid),
    "PAY_INJECTPAYMENTONION_FAILED": (218, Unavailable, Unknown),
    "PAY_INJECTPAYMENTONION_ALREADY_PAID": (219, Conflict, Conflict),
    "220": (220, Refused, Refused),
    "FUND_MAX_EXCEEDED": (300, Invalid, Invalid),
    "FUND_CANNOT_AFFORD": (301, Funds, Funds),
    "FUND_OUTPUT_IS_DUST": (302, Invalid, Invalid),
    "FUNDING_BROADCAST_FAIL": (303, Unavailable, Unknown),
    "FUNDING_STILL_SYNCING_BITCOIN": (304, Precondition, Precondition),
    "FUNDING_PEER_NOT_CONNECTED": (305, Precondition, Precondition),
    "FUNDING_UNKNOWN_PEER": (306, NotFound, NotFound),
    "FUNDING_NOTHING_TO_CANCEL": (307, Conflict, Conflict),
    "FUNDING_CANCEL_NOT_SAFE": (308, Conflict, Conflict),
    "FUNDING_PSBT_INVALID": (309, Invalid, Invalid),
    "FUNDING_V2_NOT_SUPPORTED": (310, Unsupported, Unsupported),
    "FUNDING_UNKNOWN_CHANNEL": (311, NotFound, NotFound),
    "FUNDING_STATE_INVALID": (312, Conflict, Conflict),
    "FUND_CANNOT_AFFORD_WITH_EMERGENCY": (313, Funds, Funds),
    "SPLICE_BROADCAST_FAIL": (350, Unavailable, Unknown),
    "SPLICE_WRONG_OWNER": (351, Forbidden, Forbidden),
    "SPLICE_UNKNOWN_CHANNEL": (352, NotFound, NotFound),
    "SPLICE_INVALID_CHANNEL_STATE": (353, Conflict, Conflict),
    "SPLICE_NOT_SUPPORTED": (354, Unsupported, Unsupported),
    "SPLICE_BUSY_ERROR": (355, Precondition, Precondition),
    "SPLICE_INPUT_ERROR": (356, Invalid, Invalid),
    "SPLICE_FUNDING_LOW": (357, Funds, Funds),
    "SPLICE_STATE_ERROR": (358, Conflict, Conflict),
    "SPLICE_LOW_FEE": (359, Invalid, Invalid),
    "SPLICE_HIGH_FEE": (360, Invalid, Invalid),
    "SPLICE_ABORT": (362, Refused, Refused),
    "CONNECT_NO_KNOWN_ADDRESS": (400, NotFound, NotFound),
    "CONNECT_ALL_ADDRESSES_FAILED": (401, Unavailable, Unavailable),
    "CONNECT_DISCONNECTED_DURING": (402, Unavailable, Unavailable),
    "BCLI_ERROR": (500, Unavailable, Unknown),
    "BCLI_NO_FEE_ESTIMATES": (501, Unavailable, Unavailable),
    "HSM_ECDH_FAILED": (800, Defect, Defect),
    "INVOICE_LABEL_ALREADY_EXISTS": (900, Conflict, Conflict),
    "INVOICE_PREIMAGE_ALREADY_EXISTS": (901, Conflict, Conflict),
    "INVOICE_HINTS_GAVE_NO_ROUTES": (902, Invalid, Invalid),
    "INVOICE_EXPIRED_DURING_WAIT": (903, Expired, Expired),
    "INVOICE_WAIT_TIMED_OUT": (904, Unknown, Unknown),
    "INVOICE_NOT_FOUND": (905, NotFound, NotFound),
    "INVOICE_STATUS_UNEXPECTED": (906, Conflict, Conflict),
    "INVOICE_OFFER_INACTIVE": (907, Conflict, Conflict),
    "INVOICE_NO_DESCRIPTION": (908, Invalid, Invalid),
    "OFFER_ALREADY_EXISTS": (1000, Conflict, Conflict),
    "OFFER_ALREADY_DISABLED": (1001, Conflict, Conflict),
    "OFFER_EXPIRED": (1002, Expired, Expired),
    "OFFER_ROUTE_NOT_FOUND": (1003, Refused, Refused),
    "OFFER_BAD_INVREQ_REPLY": (1004, Refused, Refused),
    "OFFER_TIMEOUT": (1005, Unavailable, Unavailable),
    "DATASTORE_DEL_DOES_NOT_EXIST": (1200, NotFound, NotFound),
    "DATASTORE_DEL_WRONG_GENERATION": (1201, Conflict, Conflict),
    "DATASTORE_UPDATE_ALREADY_EXISTS": (1202, Conflict, Conflict),
    "DATASTORE_UPDATE_DOES_NOT_EXIST": (1203, NotFound, NotFound),
    "DATASTORE_UPDATE_WRONG_GENERATION": (1204, Conflict, Conflict),
    "DATASTORE_UPDATE_HAS_CHILDREN": (1205, Conflict, Conflict),
    "DATASTORE_UPDATE_NO_CHILDREN": (1206, Conflict, Conflict),
    "SIGNMESSAGE_PUBKEY_NOT_FOUND": (1301, NotFound, NotFound),
    "DELFORWARD_NOT_FOUND": (1401, NotFound, NotFound),
    "RUNE_NOT_AUTHORIZED": (1501, Forbidden, Forbidden),
    "RUNE_NOT_PERMITTED": (1502, Forbidden, Forbidden),
    "RUNE_BLACKLISTED": (1503, Forbidden, Forbidden),
    "RECOVER_NODE_IN_USE": (1600, Conflict, Conflict),
    "WAIT_TIMEOUT": (2000, Unknown, Unknown),
}
BOLT4_FROM_THE_PAYEE = {"4 015", "4 016", "0 017", "0 018", "0 019", "0 023"}
BOLT4 = [
    *("4 001", "2 002", "6 002", "6 003", "c 004", "c 005", "c 006", "1 007", "4 008", "4 009", "4 010", "1 011"),
    *("1 012", "1 013", "1 014", "4 015", "4 016", "0 017", "0 018", "0 019", "1 020", "0 021", "4 022", "0 023"),
    "c 024",
]
LISTED: list[tuple[str, str, type[Failure], type[Failure]]] = [
    *(("lnd", f"FAILURE_REASON_{reason}", Refused, Refused) for reason in ("TIMEOUT", "NO_ROUTE", "ERROR", "CANCELED")),
    ("lnd", "FAILURE_REASON_INCORRECT_PAYMENT_DETAILS", Refused, Refused),
    ("lnd", "FAILURE_REASON_INSUFFICIENT_BALANCE", Funds, Funds),
    ("lnd", "ErrPaymentInFlight", Unknown, Unknown),
    ("lnd", "ErrPaymentExists", Unknown, Unknown),
    ("lnd", "transport", Unavailable, Unknown),
    *(("dlc", code, Invalid, Invalid) for code in ("InvalidParameters", "Conversion", "Deserialize")),
    ("dlc", "InvalidState", Conflict, Conflict),
    ("dlc", "WalletError", Unavailable, Unavailable),
    ("dlc", "BlockchainError", Unavailable, Unknown),
    ("dlc", "OracleError", Unavailable, Unavailable),
    ("dlc", "TwoAttestations", Integrity, Integrity),
    ("dlc", "SecpError", Refused, Refused),
    *(("rgb", code, Funds, Funds) for code in ("InsufficientBitcoins", "InsufficientAllocationSlots")),
    *(("rgb", code, Funds, Funds) for code in ("InsufficientSpendableAssets", "InsufficientTotalAssets")),
    *(("rgb", code, NotFound, NotFound) for code in ("AssetNotFound", "TransferNotFound", "BatchTransferNotFound")),
    *(("rgb", code, Conflict, Conflict) for code in ("RecipientIDAlreadyUsed", "RecipientIDDuplicated")),
    *(("rgb", code, Conflict, Conflict) for code in ("CannotFailTransfer", "CannotDeleteTransfer")),
    *(("rgb", code, Unavailable, Unavailable) for code in ("Proxy", "Electrum", "Offline", "FailedBdkSync")),
    ("rgb", "NoValidTransportEndpoint", Unavailable, Unavailable),
    ("rgb", "FailedBroadcast", Unknown, Unknown),
    ("rgb", "Inconsistency", Integrity, Integrity),
    ("rgb", "WatchOnly", Precondition, Precondition),
    ("rgb", "Internal", Defect, Defect),
    *(("stacks", code, Conflict, Conflict) for code in ("BadNonce", "ConflictingNonceInMempool")),
    ("stacks", "ContractAlreadyExists", Conflict, Conflict),
    ("stacks", "FeeTooLow", Refused, Refused),
    ("stacks", "NotEnoughFunds", Funds, Funds),
    *(("stacks", code, Invalid, Invalid) for code in ("NoSuchContract", "NoSuchPublicFunction")),
    *(("stacks", code, Invalid, Invalid) for code in ("BadFunctionArgument", "BadAddressVersionByte")),
    *(("stacks", code, Defect, Defect) for code in ("Serialization", "Deserialization", "SignatureValidation")),
    *(("stacks", f"ServerFailure{what}", Unavailable, Unknown) for what in ("Database", "NoSuchChainTip", "Other")),
    *(("stacks", f"http-{status}", Unavailable, Unknown) for status in (500, 502, 503, 504)),
    ("stacks", "http-429", Limited, Limited),
    ("dwn", "400", Invalid, Invalid),
    ("dwn", "401 AuthenticateJwsMissing", Unauthenticated, Unauthenticated),
    ("dwn", "401 GeneralJwsVerifierInvalidSignature", Unauthenticated, Unauthenticated),
    ("dwn", "401 GrantAuthorizationGrantExpired", Forbidden, Forbidden),
    ("dwn", "401 ProtocolAuthorizationActionNotAllowed", Forbidden, Forbidden),
    ("dwn", "404", NotFound, NotFound),
    ("dwn", "409", Conflict, Conflict),
    *(("dwn", code, Unavailable, Unavailable) for code in ("internalError", "401 DidResolutionFailed")),
    ("dwn", "key-not-valid-then", Unauthenticated, Unauthenticated),
    *(("aws", f"ConditionalCheckFailed{end}", Conflict, Conflict) for end in ("", "Exception")),
    *(("aws", code, Defect, Defect) for code in ("AccessDenied", "ResourceNotFoundException", "ValidationException")),
    ("aws", "ModelError", Refused, Refused),
    ("aws", "ModelNotReadyException", Unavailable, Unavailable),
    ("aws", "States.Timeout", Unavailable, Unknown),
]
STACKS_REASONS = [
    "Serialization",
    "Deserialization",
    "SignatureValidation",
    "FeeTooLow",
    "BadNonce",
    "NotEnoughFunds",
    "NoSuchContract",
    "NoSuchPublicFunction",
    "BadFunctionArgument",
    "ContractAlreadyExists",
    "PoisonMicroblocksDoNotConflict",
    "EstimatorError",
    "PoisonMicroblockHasUnknownPubKeyHash",
    "PoisonMicroblockIsInvalid",
    "BadAddressVersionByte",
    "NoCoinbaseViaMempool",
    "NoTenureChangeViaMempool",
    "ServerFailureNoSuchChainTip",
    "ServerFailureDatabase",
    "ServerFailureOther",
    "TooMuchChaining",
    "ConflictingNonceInMempool",
    "BadTransactionVersion",
    "TransferRecipientCannotEqualSender",
    "TransferAmountMustBePositive",
    "TemporarilyBlacklisted",
]
DDK = [
    "Conversion",
    "IOError",
    "InvalidParameters",
    "InvalidState",
    "WalletError",
    "BlockchainError",
    "StorageError",
    "OracleError",
    "DlcError",
    "SecpError",
]


@pytest.mark.parametrize(("code", "reading", "spending"), CORE_LIGHTNING.values(), ids=CORE_LIGHTNING.keys())
def test_a_code_of_core_lightning_has_its_kind(code: int, reading: type[Failure], spending: type[Failure]) -> None:
    assert classify("core-lightning", code, Effect.READ).kind is reading
    assert classify("core-lightning", code, Effect.SPEND).kind is spending


def test_core_lightnings_table_has_every_code_of_the_header_and_no_other() -> None:
    assert {code for code, _, _ in CORE_LIGHTNING.values()} == set(TABLES["core-lightning"].exact)


def test_every_code_that_core_lightnings_own_schemas_name_is_mapped(vectors: Path) -> None:
    schemas = [json.loads(path.read_text()) for path in (vectors / "lightning" / "cln_schemas").glob("*.json")]
    lines = [line for schema in schemas for line in schema.get("errors") or ()]
    codes = {int(found[1]) for line in lines if (found := re.match(r"- (-?\d+)\b", line))}

    assert len(codes) > 20
    assert {code for code in codes if TABLES["core-lightning"].find(code) is None} == set()


@pytest.mark.parametrize("written", BOLT4)
def test_a_failure_of_an_onion_is_final_only_from_the_payee(written: str) -> None:
    flags, number = written.split()
    verdict = classify("bolt4", int(flags, 16) << 12 | int(number), Effect.SPEND)
    in_between = Unavailable if flags == "c" else Unknown
    assert verdict.kind is (Refused if written in BOLT4_FROM_THE_PAYEE else in_between)


def test_bolt_4s_table_has_every_failure_and_no_other() -> None:
    assert {int(flags, 16) << 12 | int(number) for flags, number in map(str.split, BOLT4)} == set(TABLES["bolt4"].exact)


@pytest.mark.parametrize(
    ("system", "code", "reading", "spending"), LISTED, ids=[f"{one[0]} {one[1]}" for one in LISTED]
)
def test_a_listed_code_has_its_kind(system: str, code: str, reading: type[Failure], spending: type[Failure]) -> None:
    assert classify(system, code, Effect.READ).kind is reading
    assert classify(system, code, Effect.SPEND).kind is spending


def test_every_invalid_or_unknown_thing_of_rgb_is_the_callers_and_every_unsupported_thing_is_not_there() -> None:
    kinds = {str(code): meaning.kind for code, meaning in TABLES["rgb"].exact.items()}
    for prefix, kind in {"Invalid": Invalid, "Unknown": Invalid, "Unsupported": Unsupported}.items():
        found = {kinds[code] for code in kinds if code.startswith(prefix)}
        assert found == {kind}, prefix


def test_every_reason_of_a_stacks_node_and_every_variant_of_ddk_is_mapped() -> None:
    assert [reason for reason in STACKS_REASONS if TABLES["stacks"].find(reason) is None] == []
    assert [variant for variant in DDK if TABLES["dlc"].find(variant) is None] == []


def test_every_grpc_status_of_lnd_is_mapped() -> None:
    assert [number for number in range(1, 17) if TABLES["lnd"].find(f"grpc-{number}") is None] == []


def test_every_refusal_that_a_real_dwn_was_recorded_with_is_mapped(vectors: Path) -> None:
    recorded = set()
    with gzip.open(vectors / "web5" / "dwn-transcript.jsonl.gz", "rt") as lines:
        for line in lines:
            status: dict[str, Any] = (json.loads(line).get("reply") or {}).get("status") or {"code": 200}
            if status["code"] >= 400:
                word = re.match(r"(\w+):", status["detail"])
                recorded.add(f"{status['code']} {word[1]}" if word else str(status["code"]))

    assert len(recorded) > 50
    assert {code for code in recorded if TABLES["dwn"].find(code) is None} == set()
    assert classify("dwn", "401 GrantAuthorizationGrantRevoked", Effect.READ).kind is Forbidden


def test_everything_botocore_calls_throttled_or_transient_can_be_repeated() -> None:
    from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

    codes = [
        *ThrottledRetryableChecker._THROTTLED_ERROR_CODES,
        *TransientRetryableChecker._TRANSIENT_ERROR_CODES,
    ]
    assert len(codes) >= 16
    assert {classify("aws", code, Effect.SPEND).kind for code in codes} == {Unavailable}


@pytest.mark.parametrize(
    ("system", "code"),
    [("core-lightning", 219), ("lnd", "ErrAlreadyPaid"), ("dwn", "409 same-cid"), ("aws", "ExecutionAlreadyExists")],
)
def test_what_says_that_the_effect_exists_is_success(system: str, code: int | str) -> None:
    assert classify(system, code, Effect.SPEND).done


def test_nothing_else_is_success() -> None:
    found = {(system, code) for system, table in TABLES.items() for code, one in table.exact.items() if one.done}
    assert len(found) == 4


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException", "ValidationException"])
def test_a_wrong_deployment_is_critical(code: str) -> None:
    assert classify("aws", code, Effect.READ) == Verdict(Defect, "critical")


def test_a_state_that_smells_of_a_bug_is_an_error_though_a_conflict() -> None:
    assert classify("dlc", "InvalidState", Effect.SPEND) == Verdict(Conflict, "error")


@pytest.mark.parametrize("system", sorted(TABLES))
def test_a_code_that_nobody_mapped_is_our_defect_or_an_open_question_and_is_counted(
    system: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert classify(system, "NoSuchCodeEver", Effect.READ) == Verdict(Defect, "error")
    assert classify(system, "NoSuchCodeEver", Effect.CHANGE) == Verdict(Defect, "error")
    assert classify(system, "NoSuchCodeEver", Effect.SPEND) == Verdict(Unknown, "warning")
    lines = [vars(record) for record in caplog.records]
    assert [(line["message"], line["unmapped"], line["effect"]) for line in lines] == [
        ("unmapped", 1, effect) for effect in ("read", "change", "spend")
    ]
    assert all(line["upstream"] == {"system": system, "code": "NoSuchCodeEver"} for line in lines)


def test_a_text_in_the_place_of_a_code_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert classify("rgb", "the seed is: abandon abandon about", Effect.SPEND).kind is Unknown
    [line] = [vars(record) for record in caplog.records]
    assert "abandon" not in str(line)
    assert line["upstream"]["code"] == "unreadable"


def test_a_mapped_code_is_not_counted(caplog: pytest.LogCaptureFixture) -> None:
    classify("stacks", "BadNonce", Effect.SPEND)
    assert caplog.records == []
