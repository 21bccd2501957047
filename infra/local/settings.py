"""What a runtime is to run and where, from the environment and the command line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.asynchronous import PAUSES_S
from infra.local.environment import NODE_FILES, NODE_VARIABLES
from infra.local.home import ROOT, Home, home_of
from infra.local.host import Limits
from isthmus.failure import Invalid

DEFAULT_PORT = 8080
PRELOADED = (
    "isthmus.operation",
    "isthmus.storage.adapters.sqlite",
    "isthmus.storage.adapters.files",
    "isthmus.bitcoin.adapters.core",
    "isthmus.access.authentication",
    "aws_lambda_powertools",
)
PRELOADED_LATER = ("isthmus.bitcoin.payments", "isthmus.ledger.paying", "numpy", "duckdb", "boto3")
_HIGHEST_PORT = 65_535


@dataclass(frozen=True)
class Settings:
    """What to run, and where."""

    home: Home
    root: Path = ROOT
    template: Path = ROOT / "template.yaml"
    port: int = DEFAULT_PORT
    node: Mapping[str, str] | None = field(default=None)
    regtest: bool = True
    limits: Limits = field(default_factory=Limits)
    pauses_s: tuple[float, ...] = PAUSES_S
    preload: tuple[str, ...] = PRELOADED
    later: tuple[str, ...] = PRELOADED_LATER


def settings_from(environ: Mapping[str, str], *, port: int | None = None, with_node: bool = True) -> Settings:
    """What the command line and the environment ask for; a failed event's third attempt waits twice the pause.

    Raises:
        Invalid: the port or the pause is none.
    """
    given = {name: environ[name] for name in NODE_VARIABLES if environ.get(name)}
    given |= {name: str(Path(given[name]).absolute()) for name in NODE_FILES if name in given}
    asked = str(port) if port is not None else environ.get("ISTHMUS_PORT") or str(DEFAULT_PORT)
    if not (asked.isascii() and asked.isdigit() and int(asked) <= _HIGHEST_PORT):
        raise Invalid(
            f"A port is a number from 0 to {_HIGHEST_PORT}.",
            next_step="Correct ISTHMUS_PORT or `--port`; 0 takes any free one.",
            code="local/port",
        )
    pause = environ.get("ISTHMUS_RETRY_PAUSE_S") or str(PAUSES_S[0])
    if not (pause.isascii() and pause.replace(".", "", 1).isdigit()):
        raise Invalid(
            "A pause is a number of seconds.", next_step="Correct ISTHMUS_RETRY_PAUSE_S.", code="local/retry-pause"
        )
    return Settings(
        pauses_s=(float(pause), 2 * float(pause)),
        home=home_of(environ),
        port=int(asked),
        node=given if "ISTHMUS_BITCOIN_URL" in given else None,
        regtest=with_node,
    )
