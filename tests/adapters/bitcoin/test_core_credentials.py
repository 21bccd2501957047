"""Where BitcoinCore finds its node and how it shows who it is: URL, cookie, secret, certificates."""

import json
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from isthmus.bitcoin.adapters.core import BitcoinCore
from isthmus.failure import Defect, Precondition, Unavailable
from tests.adapters.bitcoin.lying_node import Serve, needs, result

Connect = Callable[..., BitcoinCore]


def test_a_cookie_that_changed_because_the_node_restarted_is_read_again(
    lying: Serve, connect: Connect, tmp_path: Path
) -> None:
    cookie = tmp_path / ".cookie"
    cookie.write_text("__cookie__:first\n")
    node = lying(needs("__cookie__:first"))
    bitcoin = connect(f"http://127.0.0.1:{node.port}", cookie=str(cookie))
    assert bitcoin.call("getblockcount") == 1
    cookie.write_text("__cookie__:second")
    node.acts = [needs("__cookie__:second")]
    assert bitcoin.call("sendrawtransaction", "00") == 1
    assert bitcoin.call("getblockcount") == 1


def test_a_cookie_that_is_wrong_and_stays_the_same_is_tried_once(
    lying: Serve, connect: Connect, tmp_path: Path
) -> None:
    cookie = tmp_path / ".cookie"
    cookie.write_text("__cookie__:wrong")
    node = lying(needs("__cookie__:right"))
    with pytest.raises(Defect) as caught:
        connect(f"http://127.0.0.1:{node.port}", cookie=str(cookie)).call("getblockcount")
    assert caught.value.code == "bitcoin/credentials"
    assert len(node.asked) == 1


def test_a_cookie_that_is_not_there_yet_is_a_node_that_has_not_started(connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        connect("http://127.0.0.1:1", cookie=str(tmp_path / "absent")).call("getblockcount")
    assert caught.value.code == "bitcoin/cookie"


def test_a_password_with_reserved_characters_reaches_the_node_unharmed(lying: Serve, connect: Connect) -> None:
    node = lying(needs("us er:p@ss:/?#"))
    assert connect(node.url("us%20er:p%40ss%3A%2F%3F%23")).call("getblockcount") == 1


def test_a_wallet_named_in_the_url_is_asked(lying: Serve, connect: Connect) -> None:
    node = lying(result(1))
    connect(node.url() + "/wallet/savings").call("getbalance")
    assert node.asked[0][1] == "/wallet/savings"


def test_without_a_configured_node_the_first_call_says_what_to_set() -> None:
    with pytest.raises(Precondition) as caught:
        BitcoinCore.from_environment({}).call("getblockcount")
    assert caught.value.code == "bitcoin/not-configured"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://user:hunter2-password@host:1",
        "http://user:hunter2-password@host:port",
        "http://user:hunter2-password@",
        "http://[user:hunter2-password",
        "http://user:hunter2-password@ho st:1",
        "http://user:hunter2-password@host:1/?x=1",
        "http://hunter2-password@host:1",
        "http://host:1",
        "hunter2-password",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_being_repeated(connect: Connect, url: str) -> None:
    with pytest.raises(Defect) as caught:
        connect(url).call("getblockcount")
    assert caught.value.code == "bitcoin/configuration"
    assert "hunter2" not in f"{caught.value}{caught.value.problem('x')}{caught.value.__cause__}"


def test_an_address_is_shown_without_its_credentials() -> None:
    from isthmus.bitcoin.adapters.endpoint import endpoint_of

    assert "hunter2" not in repr(endpoint_of({"ISTHMUS_BITCOIN_URL": "https://user:hunter2-password@host"}))


def test_a_host_that_has_no_address_is_unreachable(connect: Connect) -> None:
    for host in ("host.invalid", "a" * 64 + ".invalid"):
        with pytest.raises(Unavailable) as caught:
            connect(f"http://user:pass@{host}:1").call("getblockcount", deadline_s=5)
        assert caught.value.code == "bitcoin/unreachable"


def test_a_secret_gives_address_and_password_and_is_read_again_when_refused(
    lying: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3
    from moto import mock_aws

    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    node = lying(needs("user:first"))
    with mock_aws():
        secrets = boto3.client("secretsmanager")
        secrets.create_secret(Name="node", SecretString=json.dumps({"url": node.url("user:first"), "ca": None}))
        bitcoin = BitcoinCore.from_environment({"ISTHMUS_BITCOIN_SECRET": "node"})
        assert bitcoin.call("getblockcount") == 1
        node.acts = [needs("user:second")]
        secrets.put_secret_value(SecretId="node", SecretString=json.dumps({"url": node.url("user:second")}))
        assert bitcoin.call("getblockcount") == 1
        bitcoin.close()


@pytest.mark.parametrize("text", ["hunter2-password", '{"url": 1}', "[]", '{"url": "http://host:1", "ca": 1}', "{}"])
def test_a_secret_of_another_form_is_refused_without_being_repeated(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3
    from moto import mock_aws

    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        boto3.client("secretsmanager").create_secret(Name="node", SecretString=text)
        with pytest.raises(Defect) as caught:
            BitcoinCore.from_environment({"ISTHMUS_BITCOIN_SECRET": "node"}).call("getblockcount")
    assert caught.value.code == "bitcoin/configuration"
    assert "hunter2" not in f"{caught.value}{caught.value.__cause__}"


def test_a_secret_that_does_not_exist_is_a_defect_of_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    from moto import mock_aws

    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws(), pytest.raises(Defect) as caught:
        BitcoinCore.from_environment({"ISTHMUS_BITCOIN_SECRET": "absent"}).call("getblockcount")
    assert caught.value.code == "bitcoin/secret"
    assert caught.value.upstream is not None
    assert caught.value.upstream.code == "ResourceNotFoundException"


def test_secrets_manager_that_cannot_be_asked_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Unavailable) as caught:
        BitcoinCore.from_environment({"ISTHMUS_BITCOIN_SECRET": "node"}).call("getblockcount")
    assert caught.value.code == "bitcoin/secret"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    import ipaddress
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    pkcs8, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, none))
    return folder / "cert.pem", folder / "key.pem"


def serve_tls(lying: Serve, certificate: tuple[Path, Path]) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return f"https://user:pass@127.0.0.1:{lying(result(1), tls=context).port}"


def test_a_node_behind_tls_is_trusted_by_the_given_certificate(
    lying: Serve, connect: Connect, certificate: tuple[Path, Path]
) -> None:
    bitcoin = connect(serve_tls(lying, certificate), ca=str(certificate[0]))
    assert [bitcoin.call("getblockcount") for _ in range(3)] == [1, 1, 1]


def test_a_node_behind_tls_is_not_trusted_without_its_certificate(
    lying: Serve, connect: Connect, certificate: tuple[Path, Path]
) -> None:
    with pytest.raises(Unavailable) as caught:
        connect(serve_tls(lying, certificate)).call("getblockcount")
    assert caught.value.code == "bitcoin/tls"


def test_a_certificate_that_is_none_is_trusted_by_nobody(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(Unavailable) as caught:
        connect("https://user:pass@127.0.0.1:1", ca=str(tmp_path / "ca.pem")).call("getblockcount")
    assert caught.value.code == "bitcoin/tls"


def test_a_plain_node_behind_an_https_url_is_no_tls(lying: Serve, connect: Connect) -> None:
    with pytest.raises(Unavailable) as caught:
        connect(f"https://user:pass@127.0.0.1:{lying().port}").call("getblockcount", deadline_s=5)
    assert caught.value.code == "bitcoin/tls"
