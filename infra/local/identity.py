"""Who calls from this machine: a DID and its private key, in a file that only its user can read."""

import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infra.local.home import Home, write_private
from isthmus.access.proving import PrivateKey, from_jwk, new_key
from isthmus.failure import Conflict, Precondition

MAX_BYTES = 64 * 1024


def create(path: Path) -> PrivateKey:
    """A new identity, written to a new file with mode 0600.

    Raises:
        Conflict: there is such a file; it is left as it is.
        Precondition: the file cannot be written.
    """
    key = new_key()
    try:
        write_private(path, {"did": key.did, "key": key.to_jwk()}, anew=True)
    except FileExistsError as error:
        raise Conflict(
            f"There is a file {path} already.",
            next_step="Choose another name: a key is never replaced.",
            code="local/identity",
        ) from error
    except OSError as error:
        raise Precondition(
            f"The file {path} cannot be written: {os.strerror(error.errno or 0)}.",
            next_step="Choose a folder that exists and that you may write to.",
            code="local/identity",
        ) from error
    return key


def load(path: Path) -> PrivateKey:
    """The identity in a file.

    Raises:
        Precondition: it cannot be read, others can read it, or it holds no identity.
    """
    try:
        with path.open("rb") as file:
            about, text = os.fstat(file.fileno()), file.read(MAX_BYTES)
    except OSError as error:
        raise _refused(
            path,
            f"cannot be read: {os.strerror(error.errno or 0)}",
            "Name another with ISTHMUS_IDENTITY, or make one: `isthmus identity new <file>`.",
        ) from error
    if stat.S_IMODE(about.st_mode) & 0o077 or about.st_uid != os.geteuid():
        raise _refused(path, "holds a private key and is not yours alone", f"Run `chmod 600 {path}` as its owner.")
    try:
        document: Mapping[str, Any] = json.loads(text)
        key = from_jwk(document["key"])
        whole = document["did"] == key.did
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise _refused(path, "holds no identity", "Put the right file there, or move this one away.")
    return key


def owner(home: Home, say: Callable[[str], None] = lambda _sentence: None) -> PrivateKey:
    """The owner of the system in the home folder, made at its first start; `say` is told where the key is then.

    Raises:
        Precondition: the file cannot be read or written, others can read it, or it holds no identity.
    """
    if not home.owner.exists():
        try:
            made = create(home.owner)
        except Conflict:  # another process was quicker
            return load(home.owner)
        say(f"Made the owner's key, {home.owner}: who has it may do everything here. Keep a copy.")
        return made
    return load(home.owner)


def chosen(environ: Mapping[str, str], home: Home) -> PrivateKey:
    """Whom the command line calls as: the file that `ISTHMUS_IDENTITY` names, else the owner.

    Raises:
        Precondition: the file cannot be read, others can read it, or it holds no identity.
    """
    named = environ.get("ISTHMUS_IDENTITY")
    return load(Path(named).absolute() if named else home.owner)


def _refused(path: Path, why: str, next_step: str) -> Precondition:
    return Precondition(f"The file {path} {why}.", next_step=next_step, code="local/identity")
