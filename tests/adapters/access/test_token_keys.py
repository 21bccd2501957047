"""Both homes of the keys of access tokens: what they have in common, and what each does alone."""

import fcntl
import json
import stat
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from moto.kms.models import kms_backends

from isthmus import base64url, wiring
from isthmus.access import tokens
from isthmus.access.adapters.token_file import GRACE_MS, FileTokenKeys
from isthmus.access.adapters.token_kms import KmsTokenKeys
from isthmus.access.caller import Caller
from isthmus.did.keys import public_key
from isthmus.failure import Integrity, Unauthenticated, Unavailable
from isthmus.ports import TokenKeys, TokenSigner

CLAIMS = {"sub": "did:example:1", "n": 1}
CALLER = Caller("did", "did:example:1", "client", "acme", ("bitcoin:read",), 1_900_000_000_000, 7)
ORIGIN = "https://api.test"


@dataclass
class HeldClock:
    now: int = 1_900_000_000_000

    def now_ms(self) -> int:
        return self.now


@dataclass(frozen=True)
class Home:
    """Where keys are: how to open it, and how to put a newer key there."""

    open: Callable[[], Any]
    renew: Callable[[], None]


def in_file(folder: Path) -> Home:
    path, clock = folder / "home" / "token-keys.json", HeldClock()
    return Home(lambda: FileTokenKeys(path, clock), lambda: FileTokenKeys(path, clock).add() and None)


def new_kms_key(spec: str = "ECC_NIST_P256") -> str:
    made = boto3.client("kms").create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")
    return str(made["KeyMetadata"]["Arn"])


class SigningDigests:
    """A client of KMS whose keys sign digests as digests, which moto's hash once more."""

    def __init__(self, client: Any) -> None:
        self.get_public_key = client.get_public_key
        self._sign = client.sign

    def sign(self, **asked: Any) -> dict[str, Any]:
        self._sign(**asked)
        assert (asked["MessageType"], asked["SigningAlgorithm"], len(asked["Message"])) == (
            "DIGEST",
            "ECDSA_SHA_256",
            32,
        )
        _, _, _, region, account, key = asked["KeyId"].split(":")
        held = kms_backends[account][region].keys[key.removeprefix("key/")].private_key.private_key
        return {"Signature": held.sign(asked["Message"], ec.ECDSA(Prehashed(hashes.SHA256())))}


def kms_keys(arns: Sequence[str]) -> KmsTokenKeys:
    keys = KmsTokenKeys(arns)
    keys._client = SigningDigests(keys._client)
    return keys


def in_kms() -> Home:
    arns = [new_kms_key()]
    return Home(lambda: kms_keys(arns), lambda: arns.insert(0, new_kms_key()))


@pytest.fixture(params=["file", "kms"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    if request.param == "file":
        return in_file(tmp_path)
    request.getfixturevalue("aws")
    return in_kms()


def header_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64url.decode(token.split(".", 1)[0]))
    return found


def test_a_token_is_signed_with_a_public_key_that_is_told(home: Home) -> None:
    keys = home.open()
    token = keys.sign(CLAIMS)
    kid = header_of(token)["kid"]

    assert header_of(token) == {"typ": "at+jwt", "alg": "ES256", "kid": kid}
    head, _, signature = token.rpartition(".")
    key = public_key(keys.public()[kid])
    assert key.verify(base64url.decode(signature), head.encode())
    assert not key.verify(base64url.decode(signature), head.encode() + b"x")
    assert key.thumbprint == kid


def test_another_implementation_reads_what_was_signed(home: Home) -> None:
    keys = home.open()
    (jwk,) = keys.public().values()
    assert jwt.decode(keys.sign(CLAIMS), jwt.PyJWK(dict(jwk), "ES256"), algorithms=["ES256"]) == CLAIMS


def test_signatures_of_many_tokens_have_all_64_bytes(home: Home) -> None:
    keys = home.open()
    lengths = {len(base64url.decode(keys.sign({"n": n}).rpartition(".")[2])) for n in range(64)}
    assert lengths == {64}


def test_what_is_told_holds_no_secret(home: Home) -> None:
    for jwk in home.open().public().values():
        assert set(jwk) == {"kty", "crv", "x", "y"}


def test_the_newest_key_signs_and_the_one_before_it_still_verifies(home: Home) -> None:
    old = tokens.issue(home.open(), CALLER, ORIGIN, "t" * 43, 1_900_000_000)
    home.renew()
    keys = home.open()
    new = tokens.issue(keys, CALLER, ORIGIN, "t" * 43, 1_900_000_000)

    assert header_of(old)["kid"] != header_of(new)["kid"]
    assert set(keys.public()) == {header_of(old)["kid"], header_of(new)["kid"]}
    for token in (old, new):
        assert tokens.verify(token, ORIGIN, 1_900_000_001, keys).caller == CALLER


def test_whoever_opens_it_again_finds_the_same_keys(home: Home) -> None:
    assert home.open().public() == home.open().public()


def test_a_file_is_made_for_its_user_alone_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "home" / "token-keys.json"
    FileTokenKeys(path, HeldClock()).public()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(one.name for one in path.parent.iterdir()) == [".token-keys.json.lock", "token-keys.json"]


def test_a_replaced_key_of_a_file_verifies_for_a_quarter_of_an_hour_and_then_never_again(tmp_path: Path) -> None:
    clock = HeldClock()
    keys = FileTokenKeys(tmp_path / "keys.json", clock)
    (old,) = keys.public()
    clock.now += 1_000_000_000
    new = keys.add()

    clock.now += GRACE_MS - 1
    assert set(keys.public()) == {old, new}
    clock.now += 1
    assert set(keys.public()) == {new}
    newest = keys.add()
    assert set(keys.public()) == {new, newest}
    assert old not in (tmp_path / "keys.json").read_text()
    assert len(json.loads((tmp_path / "keys.json").read_text())["keys"]) == 2


def test_each_of_several_keys_ends_a_quarter_of_an_hour_after_the_next_one(tmp_path: Path) -> None:
    clock = HeldClock()
    keys = FileTokenKeys(tmp_path / "keys.json", clock)
    (first,) = keys.public()
    second = keys.add()
    clock.now += GRACE_MS // 2
    third = keys.add()
    assert set(keys.public()) == {first, second, third}
    clock.now += GRACE_MS // 2
    assert set(keys.public()) == {second, third}


def test_a_process_sees_a_key_that_another_one_added(tmp_path: Path) -> None:
    path, clock = tmp_path / "keys.json", HeldClock()
    here, there = FileTokenKeys(path, clock), FileTokenKeys(path, clock)
    before = header_of(here.sign(CLAIMS))["kid"]
    added = there.add()
    assert header_of(here.sign(CLAIMS))["kid"] == added != before


def test_when_many_begin_at_once_there_is_one_key(tmp_path: Path) -> None:
    path, start, found = tmp_path / "home" / "keys.json", threading.Barrier(8, timeout=30), []

    def begin() -> None:
        keys = FileTokenKeys(path, HeldClock())
        start.wait()
        found.append(header_of(keys.sign(CLAIMS))["kid"])

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found))) == (8, 1)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"keys": []}', '{"keys": [1]}', '{"keys": [{"added_ms": 1, "key": {}}]}']
)
def test_a_file_that_is_not_what_was_written_is_not_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(Integrity):
        FileTokenKeys(path, HeldClock()).sign(CLAIMS)
    with pytest.raises(Integrity):
        FileTokenKeys(path, HeldClock()).add()
    assert path.read_text() == text


def test_a_file_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    FileTokenKeys(path, HeldClock()).public()
    path.chmod(0o640)
    with pytest.raises(Integrity, match="read by others"):
        FileTokenKeys(path, HeldClock()).public()


def test_a_file_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable):
        FileTokenKeys(tmp_path / "file" / "keys.json", HeldClock()).sign(CLAIMS)


def test_a_file_that_another_process_keeps_is_waited_for_and_not_for_ever(tmp_path: Path) -> None:
    keys = FileTokenKeys(tmp_path / "keys.json", HeldClock(), patience_s=0.02)
    with (tmp_path / ".keys.json.lock").open("w") as kept:
        fcntl.flock(kept, fcntl.LOCK_EX)
        with pytest.raises(Unavailable):
            keys.public()
    assert keys.public()


def test_kms_is_asked_for_a_public_key_once(aws: None) -> None:
    keys, asked = KmsTokenKeys([new_kms_key()]), []
    get = keys._client.get_public_key

    class Counting:
        sign = keys._client.sign

        def get_public_key(self, **arguments: Any) -> Any:
            asked.append(arguments)
            return get(**arguments)

    keys._client = Counting()
    for _ in range(3):
        keys.sign(CLAIMS)
        keys.public()
    assert len(asked) == 1


def test_a_kms_key_of_another_kind_is_refused(aws: None) -> None:
    with pytest.raises(Integrity, match="ECC_NIST_P256"):
        KmsTokenKeys([new_kms_key("ECC_NIST_P384")]).sign(CLAIMS)


def test_a_kms_key_that_is_not_there_is_unavailable(aws: None) -> None:
    missing = new_kms_key()[:-36] + "00000000-0000-0000-0000-000000000000"
    with pytest.raises(Unavailable):
        KmsTokenKeys([missing]).public()


def test_a_token_of_other_keys_is_refused(home: Home, tmp_path: Path) -> None:
    stranger = FileTokenKeys(tmp_path / "other.json", HeldClock())
    token = tokens.issue(stranger, CALLER, ORIGIN, "t" * 43, 1_900_000_000)
    assert tokens.verify(token, ORIGIN, 1_900_000_000, stranger).caller == CALLER
    with pytest.raises(Unauthenticated):
        tokens.verify(token, ORIGIN, 1_900_000_000, home.open())


def test_the_environment_says_which_keys_are_used(aws: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ports: list[Any] = [TokenKeys, TokenSigner]
    monkeypatch.setenv("ISTHMUS_HOME", str(tmp_path))
    monkeypatch.delenv("ISTHMUS_TOKEN_KEYS", raising=False)
    with wiring.replaced({}):
        for port in ports:
            wiring._built.pop(port, None)
        keys, signer = (wiring.provide(port) for port in ports)
        assert header_of(signer.sign(CLAIMS))["kid"] in keys.public()
        assert (tmp_path / "token-keys.json").is_file()

    monkeypatch.setenv("ISTHMUS_TOKEN_KEYS", f"{new_kms_key()},{new_kms_key()}")
    with wiring.replaced({}):
        for port in ports:
            wiring._built.pop(port, None)
        keys, signer = (wiring.provide(port) for port in ports)
        assert (len(keys.public()), next(iter(keys.public()))) == (2, header_of(signer.sign(CLAIMS))["kid"])
