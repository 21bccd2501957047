"""The folder that one runtime keeps everything in, and how others find the runtime that runs on it."""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from isthmus.failure import Precondition

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Home:
    """The folder and what is where in it."""

    path: Path

    @property
    def runtime(self) -> Path:
        """Where the running runtime says how to reach it."""
        return self.path / "runtime.json"

    @property
    def lock(self) -> Path:
        """Held for as long as a runtime runs."""
        return self.path / "runtime.lock"

    @property
    def owner(self) -> Path:
        """The owner's DID and private key."""
        return self.path / "owner.json"

    @property
    def token(self) -> Path:
        """The access token that the command line got last."""
        return self.path / "token.json"

    @property
    def functions_log(self) -> Path:
        """What the functions print."""
        return self.path / "logs" / "functions.log"

    @property
    def runtime_log(self) -> Path:
        """What the runtime itself prints when it runs in the background."""
        return self.path / "logs" / "runtime.log"

    @property
    def table(self) -> Path:
        """The functions' table."""
        return self.path / "table.sqlite"

    @property
    def transformed(self) -> Path:
        """What SAM's transform made of the template last."""
        return self.path / "transformed.json"

    @property
    def executions(self) -> Path:
        """The journal of the state machines."""
        return self.path / "executions.sqlite"

    @property
    def events(self) -> Path:
        """What was published on the event bus."""
        return self.path / "events.jsonl"

    @property
    def schedules(self) -> Path:
        """What is due when."""
        return self.path / "schedules.sqlite"

    @property
    def bitcoin(self) -> Path:
        """The data folder of the node that the runtime starts itself."""
        return self.path / "bitcoin"


@dataclass(frozen=True)
class Address:
    """How to reach a running runtime; the token is what its control API asks for."""

    pid: int
    url: str
    control: str
    token: str = field(repr=False)


def home_of(environ: Mapping[str, str]) -> Home:
    """`ISTHMUS_HOME`, else `.isthmus` in the repository."""
    return Home(Path(environ.get("ISTHMUS_HOME") or ROOT / ".isthmus").absolute())


def make(home: Home) -> None:
    """Make the folder, for this user only.

    Raises:
        Precondition: this user may not write there.
    """
    try:
        home.path.mkdir(parents=True, exist_ok=True)
        home.path.chmod(0o700)
        home.lock.open("ab").close()
    except OSError as error:
        raise Precondition(
            f"The home folder {home.path} cannot be written: {os.strerror(error.errno or 0)}.",
            next_step="Choose another folder with ISTHMUS_HOME.",
            code="local/home",
        ) from error


@contextmanager
def held(home: Home) -> Iterator[None]:
    """Keep other runtimes off the folder; the lock ends with this process, however it dies.

    Raises:
        Precondition: another runtime runs on it, or this user may not write there.
    """
    make(home)
    with home.lock.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Precondition(
                f"A runtime runs on {home.path} already.",
                next_step="Use it, stop it with `isthmus down`, or give this one a folder with ISTHMUS_HOME.",
                code="local/running",
            ) from error
        yield


def is_held(home: Home) -> bool:
    """Whether a runtime runs on the folder."""
    try:
        with home.lock.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def publish(home: Home, address: Address) -> None:
    """Say how to reach this runtime, to this user only."""
    write_private(home.runtime, asdict(address))


def write_private(path: Path, document: Mapping[str, Any], *, anew: bool = False) -> None:
    """Write a JSON document for this user only, so that a crash leaves what was there before or the whole of it.

    Args:
        path: the file.
        document: what it shall hold.
        anew: raise FileExistsError when there is such a file, instead of replacing it.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        if anew:
            path.hardlink_to(partial)  # unlike a rename it never replaces a file
        else:
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def withdraw(home: Home) -> None:
    """Say that no runtime can be reached any more."""
    home.runtime.unlink(missing_ok=True)


def find(home: Home) -> Address:
    """The runtime that runs on the folder.

    Raises:
        Precondition: none does.
    """
    if is_held(home):
        with suppress(OSError, ValueError, TypeError):
            told: dict[str, Any] = json.loads(home.runtime.read_text())
            return Address(**told)
    raise Precondition(
        f"No runtime runs on {home.path}.", next_step="Run `isthmus up` first.", code="local/not-running"
    )
