"""Every code of Bitcoin Core's src/rpc/protocol.h (version 30) has exactly one meaning."""

import pytest

from isthmus.bitcoin import codes
from isthmus.bitcoin.methods import REPEATABLE, WALLET
from isthmus.failure import (
    Conflict,
    Defect,
    Failure,
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

PROTOCOL_H: dict[str, tuple[int, type[Failure]]] = {
    "RPC_INVALID_REQUEST": (-32600, Defect),
    "RPC_METHOD_NOT_FOUND": (-32601, Defect),
    "RPC_INVALID_PARAMS": (-32602, Defect),
    "RPC_INTERNAL_ERROR": (-32603, Unavailable),
    "RPC_PARSE_ERROR": (-32700, Defect),
    "RPC_MISC_ERROR": (-1, Unavailable),
    "RPC_FORBIDDEN_BY_SAFE_MODE": (-2, Precondition),
    "RPC_TYPE_ERROR": (-3, Invalid),
    "RPC_WALLET_ERROR": (-4, Unavailable),
    "RPC_INVALID_ADDRESS_OR_KEY": (-5, Invalid),
    "RPC_WALLET_INSUFFICIENT_FUNDS": (-6, Funds),
    "RPC_OUT_OF_MEMORY": (-7, Unavailable),
    "RPC_INVALID_PARAMETER": (-8, Invalid),
    "RPC_CLIENT_NOT_CONNECTED": (-9, Precondition),
    "RPC_CLIENT_IN_INITIAL_DOWNLOAD": (-10, Precondition),
    "RPC_WALLET_INVALID_LABEL_NAME": (-11, Invalid),
    "RPC_WALLET_KEYPOOL_RAN_OUT": (-12, Precondition),
    "RPC_WALLET_UNLOCK_NEEDED": (-13, Precondition),
    "RPC_WALLET_PASSPHRASE_INCORRECT": (-14, Defect),
    "RPC_WALLET_WRONG_ENC_STATE": (-15, Precondition),
    "RPC_WALLET_ENCRYPTION_FAILED": (-16, Refused),
    "RPC_WALLET_ALREADY_UNLOCKED": (-17, Conflict),
    "RPC_WALLET_NOT_FOUND": (-18, Precondition),
    "RPC_WALLET_NOT_SPECIFIED": (-19, Precondition),
    "RPC_DATABASE_ERROR": (-20, Unavailable),
    "RPC_DESERIALIZATION_ERROR": (-22, Invalid),
    "RPC_CLIENT_NODE_ALREADY_ADDED": (-23, Conflict),
    "RPC_CLIENT_NODE_NOT_ADDED": (-24, NotFound),
    "RPC_VERIFY_ERROR": (-25, Conflict),
    "RPC_VERIFY_REJECTED": (-26, Refused),
    "RPC_VERIFY_ALREADY_IN_UTXO_SET": (-27, Conflict),
    "RPC_IN_WARMUP": (-28, Unavailable),
    "RPC_CLIENT_NODE_NOT_CONNECTED": (-29, NotFound),
    "RPC_CLIENT_INVALID_IP_OR_SUBNET": (-30, Invalid),
    "RPC_CLIENT_P2P_DISABLED": (-31, Precondition),
    "RPC_METHOD_DEPRECATED": (-32, Unsupported),
    "RPC_CLIENT_MEMPOOL_DISABLED": (-33, Precondition),
    "RPC_CLIENT_NODE_CAPACITY_REACHED": (-34, Limited),
    "RPC_WALLET_ALREADY_LOADED": (-35, Conflict),
    "RPC_WALLET_ALREADY_EXISTS": (-36, Conflict),
}
HTTP: dict[int, type[Failure]] = {
    400: Defect,
    401: Defect,
    403: Defect,
    404: Defect,
    405: Defect,
    500: Unavailable,
    503: Unavailable,
}
LOOK_UPS = [
    ("getblock", -5),
    ("getblockheader", -5),
    ("getblockstats", -5),
    ("getblockstats", -8),
    ("getblockhash", -8),
    ("getrawtransaction", -5),
    ("getmempoolentry", -5),
]


def test_the_table_has_every_code_of_the_protocol_and_no_other() -> None:
    assert {code for code, _ in PROTOCOL_H.values()} == set(codes.RPC)


@pytest.mark.parametrize(("code", "kind"), PROTOCOL_H.values(), ids=PROTOCOL_H.keys())
def test_a_code_of_the_protocol_becomes_its_kind_and_says_what_to_do(code: int, kind: type[Failure]) -> None:
    failure = codes.of_rpc("getblockcount", code)
    assert type(failure) is kind
    assert failure.upstream is not None
    assert (failure.upstream.system, failure.upstream.code) == ("bitcoin", code)
    assert failure.detail.endswith(".")
    assert failure.next_step.endswith(".")
    assert failure.money_moved == "no"


@pytest.mark.parametrize(("status", "kind"), HTTP.items())
def test_a_status_of_the_protocol_becomes_its_kind(status: int, kind: type[Failure]) -> None:
    failure = codes.of_http("getblockcount", status)
    assert type(failure) is kind
    assert failure.upstream is not None
    assert failure.upstream.code == f"http-{status}"


def test_the_table_has_every_status_of_the_protocol() -> None:
    assert set(HTTP) == set(codes.HTTP)


@pytest.mark.parametrize(("method", "code"), LOOK_UPS)
def test_looking_for_what_is_not_there_is_not_found_rather_than_invalid(method: str, code: int) -> None:
    assert type(codes.of_rpc(method, code)) is NotFound


@pytest.mark.parametrize("method", sorted(WALLET))
def test_a_node_without_wallets_is_no_defect_of_ours(method: str) -> None:
    failure = codes.of_rpc(method, -32601)
    assert (type(failure), failure.code) == (Precondition, "bitcoin/wallets-disabled")


@pytest.mark.parametrize(
    ("method", "field"),
    [("decodepsbt", "/psbt"), ("walletprocesspsbt", "/psbt"), ("decoderawtransaction", "/transaction")],
)
def test_what_the_node_cannot_read_is_named(method: str, field: str) -> None:
    assert [one.pointer for one in codes.of_rpc(method, -22).errors] == [field]


def test_credentials_that_the_node_refuses_are_critical_because_nothing_will_work() -> None:
    refused = (codes.of_http("getblockcount", 401), codes.of_rpc("walletpassphrase", -14))
    assert [(type(failure), failure.severity) for failure in refused] == [(Defect, "critical")] * 2
    assert codes.of_http("getblockcount", 404).severity == "error"


def test_a_scan_beside_another_one_is_told_when_to_come_back() -> None:
    failure = codes.of_rpc("scantxoutset", -8)
    assert (type(failure), failure.code, failure.retry_after_ms) == (Unavailable, "bitcoin/scan-running", 10_000)


def test_an_unknown_code_is_our_defect_when_reading_and_an_open_question_when_sending() -> None:
    reading, sending = codes.of_rpc("getblockcount", -999), codes.of_rpc("sendrawtransaction", -999)
    assert (type(reading), reading.money_moved) == (Defect, "no")
    assert (type(sending), sending.money_moved) == (Unknown, "unknown")


@pytest.mark.parametrize("code", sorted(codes.UNDECIDED))
def test_trouble_inside_the_node_leaves_open_whether_something_was_sent(code: int) -> None:
    assert codes.of_rpc("sendrawtransaction", code).money_moved == "unknown"
    assert codes.of_rpc("getblockcount", code).money_moved == "no"


def test_a_request_that_was_never_sent_moved_nothing() -> None:
    assert codes.of_transport("sendrawtransaction", "refused", sent=False).money_moved == "no"
    assert codes.of_transport("sendrawtransaction", "cut", sent=True).money_moved == "unknown"
    assert codes.of_transport("getblockcount", "cut", sent=True).money_moved == "no"


def test_nothing_that_changes_the_node_may_be_repeated() -> None:
    changing = {"send", "abandon", "lock", "unlock", "import", "create", "generate", "submit", "set", "stop", "bump"}
    assert not {method for method in REPEATABLE if any(method.startswith(word) for word in changing)}
    assert {"getnewaddress", "getrawchangeaddress", "walletpassphrase", "scantxoutset"}.isdisjoint(REPEATABLE)


def test_every_meaning_has_a_code_in_kebab_case() -> None:
    tables = [codes.RPC, codes.HTTP, codes.TRANSPORT, codes.BY_METHOD]
    meanings = [meaning for table in tables for meaning in table.values()]
    assert all(meaning.code.replace("-", "").isalnum() and meaning.code.islower() for meaning in meanings)
