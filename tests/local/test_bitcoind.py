"""Finding, fetching and running a real bitcoind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.local import bitcoind as local
from infra.local.bitcoind import RegtestNode, find_bitcoind, start_regtest
from infra.local.fetch_bitcoind import fetch_bitcoind, mirrors
from isthmus.failure import Precondition, Refused, Unavailable

FreshNode = Callable[..., RegtestNode]
ROOT = Path(__file__).parents[2]


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_program_the_user_names_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = program(tmp_path / "my-node", "exit 0")
    program(tmp_path / "bitcoind", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ISTHMUS_BITCOIND", str(mine))
    assert find_bitcoind() == [str(mine)]


def test_a_named_program_that_is_none_is_refused_instead_of_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISTHMUS_BITCOIND", str(tmp_path / "absent"))
    with pytest.raises(Precondition) as refused:
        find_bitcoind()
    assert refused.value.code == "local/no-bitcoind"


def test_the_path_comes_before_any_fetching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = program(tmp_path / "bitcoind", "exit 0")
    monkeypatch.delenv("ISTHMUS_BITCOIND", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_bitcoind() == [str(installed)]


def test_a_machine_without_apt_is_told_how_to_install_bitcoind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ISTHMUS_BITCOIND", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(Precondition) as refused:
        find_bitcoind()
    assert refused.value.code == "local/no-bitcoind"
    assert "ISTHMUS_BITCOIN_URL" in refused.value.next_step


def test_an_apt_that_fails_leaves_nothing_that_looks_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    program(tools / "apt-get", "exit 100")
    program(tools / "apt-cache", "exit 100")
    program(tools / "dpkg", "echo amd64")
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(Precondition):
        fetch_bitcoind(tmp_path / "cache", lambda _: None)
    assert {path.name for path in (tmp_path / "cache").iterdir()} <= {"lock", "fetch.log"}


def test_the_mirror_is_the_machines_own_main_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ISTHMUS_DEBIAN_MIRROR", raising=False)
    addresses = """\
'http://security.test/debian-security/dists/bookworm-security/InRelease' a 0
'https://tools.test/node_20.x/dists/nodistro/InRelease' b 0
'http://mirror.test/debian/dists/bookworm/InRelease' c 0
'http://mirror.test/debian/dists/bookworm-updates/InRelease' d 0
'http://mirror.test/debian/dists/bookworm/main/binary-amd64/Packages.xz' e 0
"""
    assert mirrors(addresses) == ["http://mirror.test/debian", "https://tools.test/node_20.x"]


def test_a_mirror_the_user_gives_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_DEBIAN_MIRROR", "http://mine.test/debian")
    found = mirrors("'http://mirror.test/ubuntu/dists/noble/InRelease' a 0\n")
    assert found == ["http://mine.test/debian", "http://mirror.test/ubuntu"]


@pytest.mark.node
def test_a_node_talks_to_this_machine_only_and_keeps_its_secret_in_the_cookie(node: RegtestNode) -> None:
    assert node.url.startswith("http://127.0.0.1:")
    assert "@" not in node.url
    assert node.cookie.stat().st_mode & 0o077 == 0
    assert node.rpc("getblockchaininfo")["chain"] == "regtest"
    assert node.rpc("getnetworkinfo")["localaddresses"] == []


@pytest.mark.node
def test_a_chain_with_an_old_tip_is_not_taken_for_a_node_that_still_syncs(fresh_node: FreshNode) -> None:
    node = fresh_node()
    node.rpc("setmocktime", 1_600_000_000)
    node.mine(1)
    node.rpc("setmocktime", 0)
    assert node.rpc("getblockchaininfo")["initialblockdownload"] is False


@pytest.mark.node
def test_a_refusal_carries_the_nodes_code_and_not_its_words(node: RegtestNode) -> None:
    with pytest.raises(Refused) as refused:
        node.rpc("getblockhash", 10**6)
    assert refused.value.upstream is not None
    assert refused.value.upstream.code == -8
    assert "range" not in str(refused.value)


@pytest.mark.node
def test_a_batch_answers_in_the_order_of_its_calls(node: RegtestNode) -> None:
    hashes = node.batch([("getblockhash", [height]) for height in range(100)])
    assert hashes == [node.rpc("getblockhash", height) for height in range(100)]
    assert node.batch([]) == []


@pytest.mark.node
def test_a_stopped_node_continues_its_chain_on_the_same_port(fresh_node: FreshNode) -> None:
    node = fresh_node(blocks=3)
    tip = node.rpc("getbestblockhash")
    node.stop()
    again = fresh_node(datadir=node.datadir)
    assert again.rpc("getbestblockhash") == tip
    assert again.url == node.url


@pytest.mark.node
def test_a_running_node_is_adopted_by_whoever_comes_second(fresh_node: FreshNode) -> None:
    node = fresh_node(blocks=1)
    adopted = start_regtest(node.datadir)
    assert adopted == node
    assert adopted.process is None
    adopted.stop()
    with pytest.raises(Unavailable):
        node.rpc("getblockcount")


@pytest.mark.node
def test_a_strangers_bitcoind_on_the_folder_is_left_alone(fresh_node: FreshNode) -> None:
    node = fresh_node()
    (node.datadir / "node.json").unlink()
    with pytest.raises(Precondition) as refused:
        start_regtest(node.datadir)
    assert refused.value.code == "local/node-running"
    assert node.rpc("getblockcount") == 0


@pytest.mark.node
def test_a_killed_node_starts_again(fresh_node: FreshNode) -> None:
    node = fresh_node(blocks=1)
    node.kill()
    assert fresh_node(datadir=node.datadir).rpc("getblockcount") >= 0


@pytest.mark.node
def test_a_node_that_cannot_start_says_where_its_log_is(bitcoind: list[str], tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as failed:
        start_regtest(tmp_path, options=["-no-such-option=1"])
    assert failed.value.code == "local/node-failed"
    assert "bitcoind.err" in failed.value.next_step


STARTER = """
import os, signal, sys
from pathlib import Path
from infra.local.bitcoind import start_regtest
node = start_regtest(Path(sys.argv[1]), outlive=sys.argv[2] == "outlive")
os.kill(os.getpid(), signal.SIGKILL)
"""


def crash_after_starting(datadir: Path, lifetime: str) -> None:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/core/python'}"}
    ended = subprocess.run([sys.executable, "-c", STARTER, str(datadir), lifetime], env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL


@pytest.mark.node
def test_a_node_ends_with_the_program_that_started_it_even_when_that_is_killed(
    bitcoind: list[str], tmp_path: Path
) -> None:
    crash_after_starting(tmp_path, "end-with-me")
    assert local._until(lambda: not local._locked(tmp_path), 30.0)


@pytest.mark.node
def test_a_node_that_shall_outlive_its_starter_is_found_again(bitcoind: list[str], tmp_path: Path) -> None:
    crash_after_starting(tmp_path, "outlive")
    node = start_regtest(tmp_path)
    assert node.rpc("getblockcount") == 0
    node.stop()
    assert not local._locked(tmp_path)


ENDING_NODE = """
import fcntl, socket, sys
lock = open(sys.argv[1], "ab")
fcntl.lockf(lock, fcntl.LOCK_EX)
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    server.accept()
"""


def test_a_node_that_is_just_ending_is_not_taken_for_a_strangers(tmp_path: Path) -> None:
    (tmp_path / "regtest").mkdir()
    (tmp_path / "regtest/.cookie").write_text("user:password")
    command = [sys.executable, "-c", ENDING_NODE, str(tmp_path / "regtest/.lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as ending:
        assert ending.stdout is not None
        url = f"http://127.0.0.1:{ending.stdout.readline().strip()}"
        (tmp_path / "node.json").write_text(json.dumps({"url": url, "pid": ending.pid}))

        assert local._adopt(tmp_path) is None
