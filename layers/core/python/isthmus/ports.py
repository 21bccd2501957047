"""What operations may ask for: the ports, and what using each one costs in a deployment.

An operation names ports as parameter types; the wiring injects an adapter. `COSTS` says which IAM statements,
environment and layers a function with that parameter gets, so the parameters are the permissions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from isthmus.access.caller import Caller
from isthmus.did.document import DidDocument
from isthmus.storage.blobs import Blobs
from isthmus.storage.table import Table

if TYPE_CHECKING:
    from isthmus.outbound import Answer, Outgoing

__all__ = [
    "COSTS",
    "SCHEDULED",
    "BitcoinNode",
    "Blobs",
    "Bus",
    "Caller",
    "Clock",
    "Cost",
    "Deployment",
    "DidResolver",
    "Executions",
    "Functions",
    "Grant",
    "News",
    "Outbound",
    "Sql",
    "Table",
    "TokenKeys",
    "TokenSigner",
]


class BitcoinNode(Protocol):
    """A Bitcoin Core compatible node: control over RPC, bulk data as bytes.

    Every method raises Unavailable (down, warming up, timeout), Invalid, NotFound or Precondition (pruned, syncing)
    with the node's own code in `upstream`.
    """

    def call(self, method: str, *params: Any, deadline_s: float = 20.0, wallet: str = "") -> Any:
        """The result of one JSON-RPC call, of a wallet if one is named; amounts are Decimal, never float."""

    def batch(self, method: str, params: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The results of the same method for many parameters, in order."""

    def raw_block(self, block_hash: str) -> bytes:
        """The serialized block with witnesses."""

    def spent_outputs(self, block_hash: str) -> bytes:
        """The outputs each transaction of the block spends, in the format of Core's REST `spenttxouts`.

        CompactSize number of transactions; per transaction CompactSize number of spent outputs (0 for the coinbase);
        per output int64 value in satoshi, CompactSize length, scriptPubKey.
        """


@dataclass(frozen=True)
class News:
    """What happened, for whoever subscribed: where, what, and an id by which a repetition is known as one."""

    id: str
    source: str
    type: str
    detail: Mapping[str, Any]


class Bus(Protocol):
    """An event bus: EventBridge, or a journal on one machine."""

    def publish(self, news: Sequence[News]) -> None:
        """Publish all of it, each at least once; `detail.id` is the id, `detail-type` the type.

        Raises:
            Unavailable: some of it was not taken; publish all of it again.
        """


class Clock(Protocol):
    """Time, so that tests can hold it."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""


@dataclass(frozen=True)
class Deployment:
    """What whoever deployed the system said of it.

    Args:
        owner: the DID that may do everything; empty when nobody may.
    """

    owner: str


class DidResolver(Protocol):
    """Who knows what a DID stands for."""

    def resolve(self, did: str) -> DidDocument:
        """The document of a DID.

        Raises:
            Invalid: this is no DID, or none that its method allows.
            Unsupported: its method is not known here.
        """


class Executions(Protocol):
    """Step Functions, deployed or local."""

    def start(self, machine: str, name: str, payload: Mapping[str, Any]) -> bool:
        """Start the execution `name`; False when an execution of that name exists already, which is success too."""

    def status(self, machine: str, name: str) -> str | None:
        """RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED, or None when there is no such execution."""


class Functions(Protocol):
    """The deployment's own functions, started without waiting for them."""

    def start(self, function: str, event: Mapping[str, Any]) -> None:
        """Have the function with this ARN serve an event some time soon.

        Raises:
            NotFound: there is no such function (any more).
            Unavailable: it is not certain that it was taken.
        """


class Outbound(Protocol):
    """The one door to foreign hosts, and to no host inside (isthmus.outbound)."""

    def check(self, url: str) -> None:
        """See that an address is of a form that may be called; where its name leads is seen with every call.

        Raises:
            Invalid: it is not.
        """

    def fetch(self, outgoing: "Outgoing") -> "Answer":
        """Call a foreign host once.

        Raises:
            Invalid: the address is not one that is called.
            Unavailable: there is no whole answer within the limits.
        """


class Sql(Protocol):
    """Column files and SQL over them."""

    def encode(self, columns: Mapping[str, Any]) -> bytes:
        """One Parquet file from equally long columns (numpy arrays, or lists of bytes, str or int)."""

    def derive(self, sql: str, files: Mapping[str, Sequence[Path]]) -> bytes:
        """One Parquet file with the rows of a SELECT, where each name in `files` is a table over those files."""

    def query(self, sql: str, files: Mapping[str, Sequence[Path]]) -> list[dict[str, Any]]:
        """The rows of one SELECT, where each name in `files` is a table over those Parquet files."""


class TokenKeys(Protocol):
    """The public keys of access tokens: what whoever checks tokens needs, and no more."""

    def public(self) -> Mapping[str, Mapping[str, str]]:
        """The public JWKs that tokens may be signed with now, by key id."""


class TokenSigner(Protocol):
    """The private keys of access tokens: who may use them can be anybody."""

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A JWT of type at+jwt with these claims, signed with a key that TokenKeys knows."""


@dataclass(frozen=True)
class Grant:
    """One IAM statement; the resource is a CloudFormation expression over the template's resources, or SCHEDULED."""

    actions: tuple[str, ...]
    resource: dict[str, Any]


SCHEDULED: dict[str, Any] = {"Isthmus::Functions": "scheduled"}
"""As a grant's resource: the functions that a schedule starts, which the template knows by name."""


@dataclass(frozen=True)
class Cost:
    """What a function needs to use a port when deployed; CHANGE and SPEND operations get `change` on top of `read`."""

    read: tuple[Grant, ...] = ()
    change: tuple[Grant, ...] = ()
    environment: dict[str, Any] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    neighbour: str = ""
    """Who is behind the port, if it is nobody of ours: the name of its circuit breaker."""


_TOKEN_KEY = {"Fn::GetAtt": ["TokenKey", "Arn"]}
_TOKEN_KEYS = {"Fn::If": ["OwnTokenKey", _TOKEN_KEY, {"Ref": "TokenKeys"}]}
"""The stack's own key, unless the parameter says which ones: so that keys can be rotated."""

_MACHINES = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}"

COSTS: dict[type, Cost] = {
    Table: Cost(
        read=(Grant(("dynamodb:GetItem", "dynamodb:Query"), {"Fn::GetAtt": ["Table", "Arn"]}),),
        change=(
            Grant(
                ("dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"),
                {"Fn::GetAtt": ["Table", "Arn"]},
            ),
        ),
        environment={"ISTHMUS_TABLE": {"Ref": "Table"}},
    ),
    Blobs: Cost(
        read=(
            Grant(("s3:GetObject",), {"Fn::Sub": "${Bucket.Arn}/*"}),
            Grant(("s3:ListBucket",), {"Fn::GetAtt": ["Bucket", "Arn"]}),
        ),
        change=(Grant(("s3:PutObject", "s3:DeleteObject"), {"Fn::Sub": "${Bucket.Arn}/*"}),),
        environment={"ISTHMUS_BUCKET": {"Ref": "Bucket"}},
    ),
    BitcoinNode: Cost(
        read=(Grant(("secretsmanager:GetSecretValue",), {"Ref": "BitcoinSecret"}),),
        environment={"ISTHMUS_BITCOIN_SECRET": {"Ref": "BitcoinSecret"}},
        neighbour="bitcoin",
    ),
    Executions: Cost(
        read=(
            Grant(
                ("states:DescribeExecution",),
                {"Fn::Sub": _MACHINES + ":execution:${AWS::StackName}-*"},
            ),
        ),
        change=(Grant(("states:StartExecution",), {"Fn::Sub": _MACHINES + ":stateMachine:${AWS::StackName}-*"}),),
        environment={"ISTHMUS_MACHINES": {"Fn::Sub": _MACHINES + ":stateMachine:${AWS::StackName}"}},
    ),
    Bus: Cost(
        change=(Grant(("events:PutEvents",), {"Fn::GetAtt": ["Bus", "Arn"]}),),
        environment={"ISTHMUS_BUS": {"Ref": "Bus"}},
    ),
    Functions: Cost(
        change=(Grant(("lambda:InvokeFunction",), SCHEDULED),),
    ),
    Clock: Cost(),
    Outbound: Cost(),
    Deployment: Cost(environment={"ISTHMUS_OWNER": {"Ref": "OwnerDid"}}),
    Sql: Cost(layers=("DataLayer",)),
    DidResolver: Cost(),
    TokenKeys: Cost(
        read=(Grant(("kms:GetPublicKey",), _TOKEN_KEYS),),
        environment={
            "ISTHMUS_TOKEN_KEYS": {"Fn::If": ["OwnTokenKey", _TOKEN_KEY, {"Fn::Join": [",", {"Ref": "TokenKeys"}]}]}
        },
    ),
    TokenSigner: Cost(
        read=(Grant(("kms:GetPublicKey",), _TOKEN_KEYS),),
        change=(Grant(("kms:Sign",), _TOKEN_KEYS),),
    ),
}
