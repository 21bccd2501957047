"""Fetch a bitcoind with the machine's own apt: without root, without a system change, into a cache folder.

Debian ships `bitcoin-knots` (a Bitcoin Core derivative with the same RPC) in its unstable suite. apt resolves,
downloads and verifies it (signatures and hashes) in private folders; the packages are only unpacked, never installed;
bitcoind then runs with its own C library, so an older system does not matter.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from isthmus.failure import Precondition

_PACKAGE = "bitcoin-knots"
_SUITE = "sid"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
_DEADLINE_S = 300.0
_MIRRORS_TRIED = 3

# apt takes these two for installed: bitcoin-knots wants them for its service account only; they double the download.
_STATUS = """\
Package: debconf
Status: install ok installed
Version: 999
Architecture: all
Multi-Arch: foreign

Package: systemd
Status: install ok installed
Version: 999
Architecture: {architecture}
Multi-Arch: foreign
"""

# Read after the machine's own configuration, whose proxies stay in force and whose hooks do not run.
_CONFIGURATION = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear APT::Architectures;
Dir::State "{work}/state";
Dir::State::Lists "{work}/state/lists";
Dir::State::status "{work}/state/status";
Dir::Cache "{work}/cache";
Dir::Cache::archives "{work}/cache/archives";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "{work}/sources";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::Log "{work}";
APT::Sandbox::User "root";
APT::Architectures "{architecture}";
APT::Install-Recommends "false";
APT::Default-Release "";
Acquire::Languages "none";
Acquire::Retries "2";
"""

_SOURCES = """\
Types: deb
URIs: {mirror}
Suites: {suite}
Components: main
Targets: Packages
Signed-By: {keyring}
"""


class _Fetching(Exception):  # noqa: N818 - an internal signal, turned into a Failure at the edge
    """One step of the fetch did not work; the message says which, in our own words."""


def fetch_bitcoind(cache: Path, say: Callable[[str], None]) -> list[str]:
    """The argv prefix that runs the cached bitcoind, fetched first when it is not there yet.

    Two processes fetch once; a fetch that is killed leaves nothing that a later one would take for complete.

    Raises:
        Precondition: this machine cannot fetch one; the next step says how to install bitcoind.
    """
    try:
        architecture = _architecture()
        kept = cache / f"{_PACKAGE}-{architecture}"
        if not kept.is_dir():
            cache.mkdir(parents=True, exist_ok=True)
            with _one_at_a_time(cache / "lock"):
                if not kept.is_dir():
                    _fetch(cache, kept, architecture, say)
        return _command(kept, architecture)
    except (_Fetching, OSError) as error:
        reason = str(error) if isinstance(error, _Fetching) else "The cache folder cannot be written."
        raise no_bitcoind(f"No bitcoind was found, and none could be fetched: {reason}") from error


def no_bitcoind(detail: str) -> Precondition:
    """The failure of a machine without bitcoind, with what its owner can do."""
    return Precondition(
        detail,
        next_step=(
            "Install Bitcoin Core or Bitcoin Knots so that `bitcoind` is on the PATH (macOS: `brew install bitcoin`; "
            "Fedora, Arch, Nix and others: the package `bitcoin` or `bitcoin-core`; anywhere: the binaries of the "
            "Bitcoin Core project), or set ISTHMUS_BITCOIND to its path, or set ISTHMUS_BITCOIN_URL to a node of your "
            "own. On derivatives of Debian, install `debian-archive-keyring` and set ISTHMUS_DEBIAN_MIRROR to a Debian "
            "mirror, and Isthmus fetches one."
        ),
        code="local/no-bitcoind",
    )


@contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    with lock.open("w") as held:
        deadline = time.monotonic() + _DEADLINE_S
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise _Fetching("another process has been fetching it for too long.") from None
                time.sleep(0.2)
        yield


def _architecture() -> str:
    if not all(shutil.which(tool) for tool in ("apt-get", "apt-cache", "dpkg")):
        raise _Fetching("this machine has no apt.")
    shown = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=False, timeout=30)
    architecture = shown.stdout.strip()
    if architecture not in _TRIPLETS:
        raise _Fetching("Debian's package is used on amd64 and arm64 only.")
    return architecture


def _fetch(cache: Path, kept: Path, architecture: str, say: Callable[[str], None]) -> None:
    if not _KEYRING.is_file():
        raise _Fetching("the package debian-archive-keyring is not installed.")
    for left_behind in cache.glob("building-*"):
        shutil.rmtree(left_behind, ignore_errors=True)
    say("Fetching bitcoind with apt (about 30 MB, once; nothing is installed) ...")
    started = time.monotonic()
    work = Path(tempfile.mkdtemp(prefix="building-", dir=cache))
    try:
        _Apt(work, architecture, cache / "fetch.log", started + _DEADLINE_S).unpack_into(work / "root")
        _try_out(_command(work / "root", architecture))
        (work / "root").rename(kept)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    say(f"bitcoind is in {kept} ({time.monotonic() - started:.0f} s).")


class _Apt:
    """apt with private folders under `work`; its words go to `log`, never to the user."""

    def __init__(self, work: Path, architecture: str, log: Path, deadline: float) -> None:
        self.work = work
        self.log = log
        self.deadline = deadline
        for folder in ("state/lists/partial", "cache/archives/partial", "sources"):
            (work / folder).mkdir(parents=True)
        (work / "state/status").write_text(_STATUS.format(architecture=architecture))
        (work / "apt.conf").write_text(_CONFIGURATION.format(work=work, architecture=architecture))
        log.write_bytes(b"")

    def unpack_into(self, root: Path) -> None:
        self._update()
        if not self._download_resolved() and not self._download_listed():
            raise _Fetching(f"apt could not download {_PACKAGE}; what apt said is in {self.log}.")
        archives = sorted(self.work.rglob("*.deb"))
        root.mkdir()
        for archive in archives:
            if not self._run(["dpkg", "-x", str(archive), str(root)]):
                raise _Fetching("dpkg could not unpack what was fetched.")

    def _update(self) -> None:
        """Read the suite's index from the first of the machine's mirrors that has it, signed by Debian."""
        for mirror in mirrors(_configured_addresses())[:_MIRRORS_TRIED]:
            source = _SOURCES.format(mirror=mirror, suite=_SUITE, keyring=_KEYRING)
            (self.work / "sources/isthmus.sources").write_text(source)
            if self._apt("update") and self._apt("show", _PACKAGE, tool="apt-cache"):
                return
        raise _Fetching(f"none of the machine's apt mirrors has Debian's {_PACKAGE}; what apt said is in {self.log}.")

    def _download_resolved(self) -> bool:
        """Let apt's own solver decide what bitcoind needs: library names change with each transition."""
        return self._apt("install", "--yes", "--download-only", "--no-install-recommends", _PACKAGE)

    def _download_listed(self) -> bool:
        """When the suite is in a state that cannot be installed, take the libraries by name: they are only unpacked."""
        not_needed = [
            f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
        ]
        argv = ["apt-cache", "-c", str(self.work / "apt.conf"), "depends", "--recurse", *not_needed, _PACKAGE]
        listed = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60).stdout
        libraries = [name for name in listed.splitlines() if re.fullmatch(r"lib[a-z0-9.+-]+", name)]
        return self._apt("download", _PACKAGE, *libraries, folder=self.work / "cache/archives")

    def _apt(self, *arguments: str, tool: str = "apt-get", folder: Path | None = None) -> bool:
        return self._run([tool, "--quiet", "-c", str(self.work / "apt.conf"), *arguments], folder=folder)

    def _run(self, argv: Sequence[str], *, folder: Path | None = None) -> bool:
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise _Fetching("it took too long.")
        with self.log.open("ab") as log:
            try:
                ended = subprocess.run(
                    argv,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
                    check=False,
                    timeout=remaining,
                )
            except subprocess.TimeoutExpired:
                raise _Fetching("it took too long.") from None
        return ended.returncode == 0


def _configured_addresses(options: Sequence[str] = ()) -> str:
    """Every address `apt-get update` would read, as apt prints it: apt itself reads its source formats best."""
    argv = ["apt-get", *options, "--print-uris", "update"]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60).stdout


def mirrors(addresses: str) -> list[str]:
    """The archives behind the printed addresses, those that look like Debian's main archive first.

    `ISTHMUS_DEBIAN_MIRROR` comes before all. A wrong guess is harmless: only what Debian's keys signed is accepted.
    """
    given = os.environ.get("ISTHMUS_DEBIAN_MIRROR")
    found = dict.fromkeys(re.findall(r"^'(\S+?)/dists/[^/']+/InRelease'", addresses, flags=re.MULTILINE))
    plain = [base for base in found if "security" not in base]
    plain.sort(key=lambda base: "debian" not in base.rstrip("/").rpartition("/")[2])
    return ([given] if given else []) + plain


def _command(root: Path, architecture: str) -> list[str]:
    """Run bitcoind under the loader and the libraries that came with it."""
    triplet = _TRIPLETS[architecture]
    folders = [root / "usr/lib" / triplet, root / "lib" / triplet]
    loaders = [loader for folder in folders for loader in folder.glob("ld-linux-*.so.*")]
    bitcoind = root / "usr/bin/bitcoind"
    if not loaders or not bitcoind.is_file():
        raise _Fetching(f"{root} is not complete; remove that folder and try again.")
    return [str(loaders[0]), "--library-path", ":".join(map(str, folders)), str(bitcoind)]


def _try_out(command: list[str]) -> None:
    try:
        answered = subprocess.run([*command, "-version"], capture_output=True, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        raise _Fetching("the bitcoind that was fetched does not answer.") from None
    if answered.returncode != 0:
        raise _Fetching("the bitcoind that was fetched does not run on this machine.")
