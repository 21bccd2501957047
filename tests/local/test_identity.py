"""The owner's key: made once, whole or not at all, and for its user only."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.local.cli import main
from infra.local.forks import python_path
from infra.local.home import ROOT, Home, make, write_private
from infra.local.identity import chosen, create, load, owner
from isthmus.failure import Conflict, Precondition

KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from infra.local.home import Home
from infra.local.identity import owner

def killed(_descriptor):
    os.kill(os.getpid(), signal.SIGKILL)

os.fsync = killed
owner(Home(Path(sys.argv[1])))
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path / "home")
    make(found)
    return found


def test_the_first_start_makes_an_owner_and_says_once_where_the_key_is(home: Home) -> None:
    said: list[str] = []

    first = owner(home, said.append)
    again = owner(home, said.append)

    assert first.did.startswith("did:key:z6Mk")
    assert (again.did, again.to_jwk()) == (first.did, first.to_jwk())
    assert len(said) == 1
    assert str(home.owner) in said[0]


def test_the_file_is_its_users_alone_and_holds_the_did_and_its_key(home: Home) -> None:
    did = owner(home).did

    assert stat.S_IMODE(home.owner.stat().st_mode) == 0o600
    document = json.loads(home.owner.read_text())
    assert document["did"] == did
    assert (document["key"]["kty"], document["key"]["crv"], "d" in document["key"]) == ("OKP", "Ed25519", True)
    assert list(home.path.glob(".owner*")) == []


def test_a_key_is_shown_by_no_repr(home: Home) -> None:
    identity = owner(home)

    assert identity.to_jwk()["d"] not in repr(identity)


def test_a_crash_while_it_is_written_leaves_none_and_the_next_start_makes_one(home: Home) -> None:
    command = [sys.executable, "-c", KILLED_WHILE_WRITING, str(home.path)]
    done = subprocess.run(command, env={"PYTHONPATH": python_path(ROOT)}, timeout=60, check=False)

    assert done.returncode == -9
    assert not home.owner.exists()
    assert owner(home).did == load(home.owner).did


def test_who_is_slower_to_make_it_takes_what_the_quicker_one_made(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    quicker = owner(home)
    monkeypatch.setattr(Path, "exists", lambda _path: False)

    assert owner(home).did == quicker.did


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
def test_a_file_that_others_may_use_is_refused_with_what_to_do(home: Home, mode: int) -> None:
    owner(home)
    home.owner.chmod(mode)

    with pytest.raises(Precondition, match=f"chmod 600 {home.owner}"):
        owner(home)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '"x"', "{}", '{"did": "did:key:z6Mk"}', '{"did": "x", "key": []}', '{"did": 1, "key": {}}'],
)
def test_a_file_without_an_identity_is_refused_and_left_as_it_is(home: Home, content: str) -> None:
    home.owner.write_text(content)
    home.owner.chmod(0o600)

    with pytest.raises(Precondition, match="holds no identity"):
        owner(home)
    assert home.owner.read_text() == content


def test_a_did_with_another_dids_key_is_refused(home: Home, tmp_path: Path) -> None:
    one, other = create(tmp_path / "one"), create(tmp_path / "other")
    write_private(home.owner, {"did": one.did, "key": other.to_jwk()})

    with pytest.raises(Precondition, match="holds no identity"):
        load(home.owner)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_file_is_refused(home: Home) -> None:
    owner(home)
    home.owner.chmod(0o000)

    with pytest.raises(Precondition, match="cannot be read"):
        owner(home)


def test_isthmus_identity_names_another_file_of_the_same_form(home: Home, tmp_path: Path) -> None:
    mine, other = owner(home), create(tmp_path / "other.json")

    assert chosen({}, home).did == mine.did
    assert chosen({"ISTHMUS_IDENTITY": str(tmp_path / "other.json")}, home).did == other.did
    with pytest.raises(Precondition, match="isthmus identity new"):
        chosen({"ISTHMUS_IDENTITY": str(tmp_path / "none.json")}, home)


def test_identity_new_prints_the_did_alone_and_replaces_nothing(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "other.json"

    assert main(["identity", "new", str(path)]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{load(path).did}\n"
    assert f"ISTHMUS_IDENTITY={path}" in shown.err

    before = path.read_bytes()
    assert main(["identity", "new", str(path)]) == 1
    assert "already" in capsys.readouterr().err
    assert path.read_bytes() == before
    with pytest.raises(Conflict):
        create(path)


def test_identity_new_in_a_folder_that_is_not_there_says_so(tmp_path: Path, capsys: Any) -> None:
    assert main(["identity", "new", str(tmp_path / "no" / "where.json")]) == 1
    assert "cannot be written" in capsys.readouterr().err
