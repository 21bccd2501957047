"""A signing device for bitcoind's -signer, as HWI's command line speaks for one; what it does says a folder.

    python signing_device.py FOLDER enumerate
    python signing_device.py FOLDER --fingerprint F --chain C getdescriptors --account N
    python signing_device.py FOLDER --stdin --fingerprint F --chain C    (signtx PSBT on the standard input)

The file `fingerprint` says whose keys it has, the file `mood` how it feels; what it is asked is added to the file
`asked`. A slow one signs when somebody writes into the pipe `button`. Source: Bitcoin Core's doc/external-signer.md.
"""

import json
import sys
from pathlib import Path
from typing import Any

CANCELED = {"error": "canceled by user", "code": -14}  # HWI's ACTION_CANCELED


def main(folder: Path, arguments: list[str]) -> Any:
    """The answer, as it is printed."""
    given = arguments + (sys.stdin.read().split() if "--stdin" in arguments else [])
    command = next(one for one in ("enumerate", "getdescriptors", "signtx") if one in given)
    with (folder / "asked").open("a") as asked:
        asked.write(command + "\n")
    return COMMANDS[command](folder, (folder / "mood").read_text(), given)


def enumerate_devices(folder: Path, mood: str, _given: list[str]) -> Any:
    own = (folder / "fingerprint").read_text()
    one = {"type": "test", "model": "test", "fingerprint": "0badcafe" if mood == "another" else own}
    if mood == "locked":
        return [one | {"error": "locked", "code": -12}]
    return {"unplugged": [], "two": [one, one | {"fingerprint": "00000001"}]}.get(mood, [one])


def descriptors(_folder: Path, mood: str, given: list[str]) -> Any:
    from tests.adapters.bitcoin.signers import SINGLE, public, single

    assert given[given.index("--account") + 1] == "0"
    if mood == "keyless":
        return CANCELED
    receiving, change = zip(*(public(single(kind)) for kind in SINGLE), strict=True)
    return {"receive": receiving, "internal": change}


def sign(folder: Path, mood: str, given: list[str]) -> Any:
    from tests.adapters.bitcoin.signers import SINGLE, signed, single

    if mood == "no":
        return CANCELED
    if mood == "slow":
        (folder / "button").read_text()
    if mood == "late":
        sys.exit(124)  # as timeout(1) does with a command that it had to end
    psbt = given[given.index("signtx") + 1].strip('"')
    return {"psbt": signed(psbt, *(single(kind) for kind in SINGLE))}


COMMANDS = {"enumerate": enumerate_devices, "getdescriptors": descriptors, "signtx": sign}

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[3]))
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2:])))  # noqa: T201 - it is how it answers
