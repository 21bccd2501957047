"""How BitcoinCore uses its connections: deadlines, repetition, idleness, threads, processes."""

import json
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from isthmus.bitcoin.adapters.core import MAX_IDLE, BitcoinCore
from isthmus.failure import Failure, NotFound, Unavailable, Unknown
from tests.adapters.bitcoin.lying_node import (
    GENESIS,
    Act,
    Handler,
    Serve,
    bare,
    drip,
    error,
    hang_up,
    never,
    result,
    status,
)

Connect = Callable[..., BitcoinCore]


@pytest.mark.parametrize("act", [never, drip], ids=["silent", "one byte at a time"])
def test_a_slow_node_is_left_at_the_deadline_and_not_asked_twice(lying: Serve, connect: Connect, act: Act) -> None:
    node = lying(act)
    with pytest.raises(Unavailable) as caught:
        connect(node.url()).call("getblockcount", deadline_s=0.2)
    assert caught.value.code == "bitcoin/timeout"
    assert len(node.asked) == 1


def test_a_deadline_in_the_past_asks_nobody(lying: Serve, connect: Connect) -> None:
    node = lying()
    with pytest.raises(Unavailable) as caught:
        connect(node.url()).call("getblockcount", deadline_s=0)
    assert caught.value.code == "bitcoin/timeout"
    assert node.asked == []


def test_a_port_where_nobody_listens_is_unreachable(connect: Connect) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable) as caught:
            connect(f"http://user:pass@127.0.0.1:{reserved.getsockname()[1]}").call("getblockcount")
    assert caught.value.code == "bitcoin/unreachable"


def test_a_connection_that_is_cut_before_the_request_is_a_cut_one(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(Unavailable) as caught:
            connect(f"http://user:pass@127.0.0.1:{server.getsockname()[1]}").call("getblockcount")
        thread.join()
    assert caught.value.code == "bitcoin/cut"


def test_a_warming_up_node_says_when_to_come_back(lying: Serve, connect: Connect) -> None:
    with pytest.raises(Unavailable) as caught:
        connect(lying(error(-28)).url()).call("getblockcount")
    assert caught.value.retry_after_ms == 2_000
    assert caught.value.upstream is not None
    assert caught.value.upstream.code == -28


def test_a_read_whose_answer_is_lost_on_a_fresh_connection_is_not_asked_again(lying: Serve, connect: Connect) -> None:
    node = lying(hang_up, result(7))
    with pytest.raises(Unavailable) as caught:
        connect(node.url()).call("getblockcount")
    assert (caught.value.code, len(node.asked)) == ("bitcoin/cut", 1)


def test_a_read_whose_answer_is_lost_on_a_kept_connection_is_asked_once_more_on_a_fresh_one(
    lying: Serve, connect: Connect
) -> None:
    node = lying(result(1), hang_up, result(7))
    bitcoin = connect(node.url())
    bitcoin.call("getblockcount")
    assert bitcoin.call("getblockcount") == 7
    assert (len(node.asked), node.connections) == (3, 2)


@pytest.mark.parametrize("method", ["sendrawtransaction", "walletpassphrase", "scantxoutset", "no-such-method"])
def test_what_is_not_listed_as_repeatable_is_asked_once(lying: Serve, connect: Connect, method: str) -> None:
    node = lying(hang_up, result(7))
    with pytest.raises(Unavailable if method == "scantxoutset" else Unknown) as caught:
        connect(node.url()).call(method, "00")
    assert len(node.asked) == 1
    assert caught.value.money_moved == ("no" if method == "scantxoutset" else "unknown")


@pytest.mark.parametrize("act", [error(-1), error(-4), error(-4242), status(500), status(502)])
def test_a_node_in_trouble_leaves_it_open_whether_something_was_sent(lying: Serve, connect: Connect, act: Act) -> None:
    with pytest.raises(Failure) as caught:
        connect(lying(act).url()).call("sendrawtransaction", "00")
    assert caught.value.money_moved == "unknown"


@pytest.mark.parametrize("act", [error(-25), error(-26), error(-28), status(401), status(503)])
def test_a_definite_refusal_moves_no_money(lying: Serve, connect: Connect, act: Act) -> None:
    with pytest.raises(Failure) as caught:
        connect(lying(act).url()).call("sendrawtransaction", "00")
    assert caught.value.money_moved == "no"


def test_an_effect_never_goes_over_a_connection_that_may_be_dead(lying: Serve, connect: Connect) -> None:
    node = lying(result(1))
    bitcoin = connect(node.url())
    bitcoin.call("getblockcount")
    bitcoin.call("sendrawtransaction", "00")
    assert node.connections == 2


def test_calls_share_one_connection_as_long_as_it_lives(lying: Serve, connect: Connect) -> None:
    node = lying(result(1))
    bitcoin = connect(node.url())
    for _ in range(5):
        bitcoin.call("getblockcount")
    node.acts = [error(-5)]
    with pytest.raises(NotFound):
        bitcoin.call("getblock", GENESIS)
    assert node.connections == 1


def test_a_connection_that_died_while_idle_costs_one_quiet_repetition(lying: Serve, connect: Connect) -> None:
    node = lying(result(1))
    bitcoin = connect(node.url())
    bitcoin.call("getblockcount")
    idle: Any = bitcoin._idle[0]
    idle._http.sock._sock.shutdown(socket.SHUT_RDWR)
    assert bitcoin.call("getblockcount") == 1
    assert node.connections == 2


def test_threads_never_share_a_connection(lying: Serve, connect: Connect) -> None:
    together = threading.Barrier(4)

    def echo_together(handler: Handler) -> None:
        together.wait(10)
        handler.json({"result": handler.asked["params"][0], "error": None, "id": handler.asked["id"]})

    node = lying(echo_together)
    bitcoin = connect(node.url())
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: bitcoin.call("getblockhash", number), range(200)))
    assert answers == list(range(200))
    assert node.connections == 4


def test_a_child_process_does_not_use_its_parents_connections(lying: Serve, connect: Connect) -> None:
    node = lying(result(1))
    bitcoin = connect(node.url())
    bitcoin.call("getblockcount")
    bitcoin._pid = os.getpid() + 1
    bitcoin.call("getblockcount")
    assert node.connections == 2


def test_no_more_idle_connections_are_kept_than_the_limit(lying: Serve, connect: Connect) -> None:
    together = threading.Barrier(MAX_IDLE + 3)

    def answer_together(handler: Handler) -> None:
        together.wait(10)
        result(1)(handler)

    node = lying(answer_together)
    bitcoin = connect(node.url())
    with ThreadPoolExecutor(MAX_IDLE + 3) as pool:
        list(pool.map(lambda _: bitcoin.call("getblockcount"), range(MAX_IDLE + 3)))
    assert node.connections == MAX_IDLE + 3
    assert len(bitcoin._idle) == MAX_IDLE


@pytest.mark.parametrize("act", [never, bare(length=1 << 40, sent=b"{"), drip], ids=["silent", "too long", "dripping"])
def test_a_connection_with_an_answer_still_on_it_is_never_used_again(lying: Serve, connect: Connect, act: Act) -> None:
    node = lying(act, result(5))
    bitcoin = connect(node.url())
    with pytest.raises(Unavailable):
        bitcoin.call("getblockcount", deadline_s=0.2)
    assert bitcoin._idle == []
    assert bitcoin.call("getblockcount") == 5


def test_a_connection_that_the_node_says_it_closes_is_not_kept(lying: Serve, connect: Connect) -> None:
    def last_words(handler: Handler) -> None:
        text = json.dumps({"result": 3, "error": None, "id": handler.asked["id"]}).encode()
        bare(length=len(text), sent=text)(handler)

    bitcoin = connect(lying(last_words).url())
    assert bitcoin.call("getblockcount") == 3
    assert bitcoin._idle == []
