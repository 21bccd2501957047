"""BitcoinCore and a node that lies: every answer becomes exactly one failure, and no secret gets out."""

import json
import logging
from collections.abc import Callable
from decimal import Decimal

import pytest

from isthmus.bitcoin.adapters.core import CALLS_PER_BATCH, BitcoinCore
from isthmus.failure import Defect, Failure, NotFound, Unavailable
from tests.adapters.bitcoin.lying_node import (
    FOREIGN,
    Act,
    Handler,
    Serve,
    bare,
    body,
    endless_chunks,
    envelope,
    error,
    hang_up,
    not_http,
    result,
    status,
    too_many_headers,
    written,
)

Connect = Callable[..., BitcoinCore]

SECRETS = ("hunter2-password", "hunter2-passphrase", FOREIGN)

MATRIX: list[tuple[str, Act, type[Failure], str]] = [
    ("is warming up", error(-28), Unavailable, "bitcoin/warming-up"),
    ("does not take our password", status(401), Defect, "bitcoin/credentials"),
    ("does not allow our address", status(403), Defect, "bitcoin/not-allowed"),
    ("has another path", status(404), Defect, "bitcoin/no-rpc"),
    ("takes no POST", status(405), Defect, "bitcoin/request"),
    ("breaks down", status(500), Unavailable, "bitcoin/node-trouble"),
    ("is behind a broken gateway", status(502), Unavailable, "bitcoin/nonsense"),
    ("has too much to do", status(503), Unavailable, "bitcoin/node-busy"),
    ("redirects", status(302), Unavailable, "bitcoin/nonsense"),
    ("answers a page", status(200), Unavailable, "bitcoin/nonsense"),
    ("is a gateway that refuses in JSON", lambda h: h.json({"message": "no"}, 503), Unavailable, "bitcoin/node-busy"),
    ("answers no JSON", body(b"hunter2-from-the-node"), Unavailable, "bitcoin/nonsense"),
    ("answers half a document", body(b'{"result": 1,'), Unavailable, "bitcoin/nonsense"),
    ("answers bytes that are no text", body(b"\xff\xfe\xfa"), Unavailable, "bitcoin/nonsense"),
    ("answers NaN", written("NaN"), Unavailable, "bitcoin/nonsense"),
    ("answers a nest", written("[" * 100_000 + "]" * 100_000), Unavailable, "bitcoin/nonsense"),
    ("answers a huge number", written("9" * 5000), Unavailable, "bitcoin/nonsense"),
    ("refuses another question", envelope(id=-7, error={"code": -8}), Unavailable, "bitcoin/nonsense"),
    ("answers nothing", body(b""), Unavailable, "bitcoin/nonsense"),
    ("answers null", body(b"null"), Unavailable, "bitcoin/nonsense"),
    ("answers a list", body(b"[]"), Unavailable, "bitcoin/nonsense"),
    ("answers another question", envelope(id=-7), Unavailable, "bitcoin/nonsense"),
    ("answers without an id", envelope(id=None), Unavailable, "bitcoin/nonsense"),
    (
        "answers without a result",
        lambda h: h.json({"id": h.asked["id"], "error": None}),
        Unavailable,
        "bitcoin/nonsense",
    ),
    ("answers an error of text", envelope(error="hunter2-from-the-node"), Unavailable, "bitcoin/nonsense"),
    ("answers an error without code", envelope(error={"message": "x"}), Unavailable, "bitcoin/nonsense"),
    ("answers an endless code", envelope(error={"code": 10**40}), Unavailable, "bitcoin/nonsense"),
    ("answers an unknown code", error(-4242), Defect, "bitcoin/unmapped"),
    (
        "could not read our request",
        lambda h: h.json({"id": None, "error": {"code": -32700}}, 500),
        Defect,
        "bitcoin/request",
    ),
    ("announces a huge body", bare(length=1 << 40, sent=b"{"), Unavailable, "bitcoin/oversize"),
    ("sends a body without end", endless_chunks, Unavailable, "bitcoin/oversize"),
    ("sends a long body unannounced", bare(length=None, sent=b" " * (1 << 21)), Unavailable, "bitcoin/oversize"),
    ("hangs up after the request", hang_up, Unavailable, "bitcoin/cut"),
    ("hangs up in its answer", bare(length=100, sent=b'{"result'), Unavailable, "bitcoin/cut"),
    ("speaks no HTTP", not_http, Unavailable, "bitcoin/nonsense"),
    ("sends too many headers", too_many_headers, Unavailable, "bitcoin/nonsense"),
]


@pytest.mark.parametrize(("act", "kind", "code"), [row[1:] for row in MATRIX], ids=[row[0] for row in MATRIX])
def test_each_answer_of_a_node_that_lies_becomes_one_failure_in_our_own_words(
    lying: Serve, connect: Connect, caplog: pytest.LogCaptureFixture, act: Act, kind: type[Failure], code: str
) -> None:
    caplog.set_level(logging.DEBUG)
    node = lying(act)
    with pytest.raises(Failure) as caught:
        connect(node.url("user:hunter2-password")).call("getblockcount", "hunter2-passphrase")
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert caught.value.next_step
    assert caught.value.money_moved == "no"
    seen = f"{caught.value}{caught.value!r}{json.dumps(caught.value.problem('x'))}{caplog.text}{caught.value.__cause__}"
    assert not [secret for secret in SECRETS if secret in seen]


def test_amounts_arrive_as_decimal_to_the_last_digit(lying: Serve, connect: Connect) -> None:
    answer = connect(lying(written("[20999999.97690000, 0.1]")).url()).call("getbalance")
    assert answer == [Decimal("20999999.97690000"), Decimal("0.1")]
    assert str(answer[0]) == "20999999.97690000"


def test_amounts_are_sent_as_numbers_that_the_node_reads_exactly(lying: Serve, connect: Connect) -> None:
    node = lying(result(1))
    connect(node.url()).call("createrawtransaction", Decimal("20999999.97690001"))
    assert Decimal(str(node.asked[0][3]["params"][0])) == Decimal("20999999.97690001")


def test_a_batch_comes_back_in_the_order_it_was_asked_whatever_order_the_node_chose(
    lying: Serve, connect: Connect
) -> None:
    def backwards(handler: Handler) -> None:
        handler.json(
            [{"jsonrpc": "2.0", "id": one["id"], "result": one["params"][0]} for one in reversed(handler.asked)]
        )

    node = lying(backwards)
    heights = [(height,) for height in range(CALLS_PER_BATCH + 5)]
    assert connect(node.url()).batch("getblockhash", heights) == list(range(CALLS_PER_BATCH + 5))
    assert [len(request[3]) for request in node.asked] == [CALLS_PER_BATCH, 5]


def test_an_empty_batch_asks_nobody(lying: Serve, connect: Connect) -> None:
    node = lying(result(1))
    assert connect(node.url()).batch("getblockhash", []) == []
    assert node.asked == []


def test_one_error_fails_the_batch_with_its_code(lying: Serve, connect: Connect) -> None:
    def second_fails(handler: Handler) -> None:
        first, second = handler.asked
        failed = {"jsonrpc": "2.0", "id": second["id"], "error": {"code": -8, "message": "no"}}
        handler.json([{"jsonrpc": "2.0", "id": first["id"], "result": 1}, failed])

    with pytest.raises(NotFound):
        connect(lying(second_fails).url()).batch("getblockhash", [(1,), (2,)])


@pytest.mark.parametrize(
    "act",
    [
        lambda h: h.json([]),
        lambda h: h.json({"id": h.asked[0]["id"], "result": 1, "error": None}),
        lambda h: h.json([{"id": h.asked[0]["id"], "result": 1}] * 2),
        lambda h: h.json([1, 2]),
        lambda h: h.json([*({"id": one["id"], "result": 1} for one in h.asked), {"id": -1, "result": 1}]),
    ],
    ids=["too short", "no list", "one answer twice", "no objects", "too long"],
)
def test_a_batch_answered_in_another_shape_is_nonsense(lying: Serve, connect: Connect, act: Act) -> None:
    with pytest.raises(Unavailable) as caught:
        connect(lying(act).url()).batch("getblockhash", [(1,), (2,)])
    assert caught.value.code == "bitcoin/nonsense"
