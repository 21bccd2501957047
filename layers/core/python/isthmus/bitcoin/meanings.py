"""The tables of a Bitcoin node's codes: what each means, by JSON-RPC code, by method, by HTTP status and by transport.

Sources: Bitcoin Core's src/rpc/protocol.h and src/httpserver.cpp. `isthmus.bitcoin.codes` makes failures of them.
"""

from dataclasses import dataclass
from types import MappingProxyType

from isthmus.bitcoin.methods import WALLET
from isthmus.failure import (
    Conflict,
    Defect,
    Failure,
    FieldError,
    Funds,
    Invalid,
    Limited,
    NotFound,
    Precondition,
    Refused,
    Severity,
    Unavailable,
    Unsupported,
)


@dataclass(frozen=True)
class Meaning:
    """What one code means: which failure, its code below `bitcoin/`, our own words, the severity if not the kind's."""

    kind: type[Failure]
    code: str
    detail: str
    next_step: str
    retry_after_ms: int | None = None
    severity: Severity | None = None
    field: FieldError | None = None
    """Which field of every request that leads to the call, when the code says that."""


_OUR_REQUEST = "Report this with the instance id: the request that Isthmus sent to the node was wrong."
_LATER = "Repeat after a moment."
_LOOK_AT_NODE = "Look at the node's debug.log, then repeat."

RPC = MappingProxyType(
    {
        -32700: Meaning(Defect, "request", "The node could not parse our request.", _OUR_REQUEST),
        -32600: Meaning(Defect, "request", "The node does not take our request for one.", _OUR_REQUEST),
        -32601: Meaning(
            Defect,
            "method",
            "The node does not know a method that Isthmus needs.",
            "Use Bitcoin Core 25 or newer, with the wallet compiled in if the operation needs one.",
        ),
        -32602: Meaning(Defect, "request", "The node refused the parameters of our request.", _OUR_REQUEST),
        -32603: Meaning(Unavailable, "node-trouble", "The node reports an internal error.", _LOOK_AT_NODE),
        -1: Meaning(Unavailable, "node-trouble", "The node could not carry out the call.", _LOOK_AT_NODE),
        -2: Meaning(
            Precondition,
            "safe-mode",
            "The node is in safe mode and does not carry out this call.",
            "Look at the node's warnings and end the safe mode, then repeat.",
        ),
        -3: Meaning(Invalid, "type", "The node expected a value of another type.", "Correct the request's fields."),
        -4: Meaning(Unavailable, "wallet-trouble", "The node's wallet could not carry out the call.", _LOOK_AT_NODE),
        -5: Meaning(
            Invalid,
            "address-or-key",
            "The node does not accept the address, key or descriptor.",
            "Check it for typing errors and for the right network.",
        ),
        -6: Meaning(
            Funds, "funds", "The node's wallet has not enough spendable funds.", "Fund the wallet or send less."
        ),
        -7: Meaning(
            Unavailable, "node-memory", "The node ran out of memory.", "Give the node more memory, then repeat."
        ),
        -8: Meaning(
            Invalid,
            "parameter",
            "The node refused a value of the request.",
            "Check the limits of the request's fields.",
        ),
        -9: Meaning(
            Precondition,
            "no-peers",
            "The node is not connected to the Bitcoin network.",
            "Give the node a peer, then repeat.",
        ),
        -10: Meaning(
            Precondition,
            "syncing",
            "The node is still downloading the chain.",
            "Repeat when get_chain_info says that the initial download is over.",
            60_000,
        ),
        -11: Meaning(Invalid, "label", "The node does not accept the label.", "Choose another label."),
        -12: Meaning(
            Precondition, "keypool", "The node's wallet ran out of keys.", "Refill the wallet's key pool, then repeat."
        ),
        -13: Meaning(
            Precondition, "wallet-locked", "The node's wallet is locked.", "Unlock the wallet on the node, then repeat."
        ),
        -14: Meaning(
            Defect,
            "wallet-passphrase",
            "The node refused the wallet's passphrase.",
            "Correct the passphrase in the deployment's secret.",
            severity="critical",
        ),
        -15: Meaning(
            Precondition,
            "wallet-encryption",
            "The node's wallet is not encrypted as the call expects.",
            "Encrypt or unlock the wallet on the node, then repeat.",
        ),
        -16: Meaning(Refused, "wallet-encryption", "The node could not encrypt the wallet.", _LOOK_AT_NODE),
        -17: Meaning(Conflict, "wallet-unlocked", "The node's wallet is unlocked already.", "Go on without unlocking."),
        -18: Meaning(
            Precondition,
            "wallet-missing",
            "The node has no such wallet loaded.",
            "Load the wallet on the node, then repeat.",
        ),
        -19: Meaning(
            Precondition,
            "wallet-unnamed",
            "The node has several wallets loaded and the call names none.",
            "End the node's URL with /wallet/<name>.",
        ),
        -20: Meaning(
            Unavailable, "node-database", "The node's database reports an error.", "Check the node's disk, then repeat."
        ),
        -22: Meaning(
            Invalid, "serialization", "The node cannot read the serialized data.", "Check the hexadecimal data."
        ),
        -23: Meaning(Conflict, "peer-added", "The node has this peer already.", "Go on without adding it."),
        -24: Meaning(NotFound, "peer-not-added", "The node was never given this peer.", "Check the peer's address."),
        -25: Meaning(
            Conflict,
            "inputs-spent",
            "The inputs of the transaction are missing or spent.",
            "Look up your own transaction id first; it may have been mined.",
        ),
        -26: Meaning(
            Refused,
            "policy",
            "The node's policy or the network's rules refuse the transaction.",
            "Raise the fee, or correct the transaction.",
        ),
        -27: Meaning(
            Conflict,
            "already-confirmed",
            "The transaction is in the chain already, so its effect exists.",
            "Look the transaction up; there is nothing left to send.",
        ),
        -28: Meaning(Unavailable, "warming-up", "The node is starting.", _LATER, 2_000),
        -29: Meaning(NotFound, "peer-not-connected", "The node has no such peer.", "Check the peer's address."),
        -30: Meaning(Invalid, "subnet", "The node does not accept the address or subnet.", "Check its notation."),
        -31: Meaning(
            Precondition,
            "p2p-disabled",
            "The node runs without peer-to-peer networking.",
            "Enable the node's networking, then repeat.",
        ),
        -32: Meaning(
            Unsupported,
            "deprecated",
            "The node calls this method deprecated.",
            "Use a supported version of Bitcoin Core, or enable the method on the node.",
        ),
        -33: Meaning(
            Precondition, "no-mempool", "The node runs without a mempool.", "Ask a node that keeps a mempool."
        ),
        -34: Meaning(Limited, "peer-capacity", "The node has no room for another peer.", _LATER),
        -35: Meaning(
            Conflict, "wallet-loaded", "The node has this wallet loaded already.", "Go on without loading it."
        ),
        -36: Meaning(Conflict, "wallet-exists", "The node has a wallet of this name already.", "Choose another name."),
    }
)

_NO_BLOCK = Meaning(NotFound, "no-block", "The node knows no such block.", "Check the block's hash or height.")
_NO_TRANSACTION = Meaning(
    NotFound,
    "no-transaction",
    "The node finds no such transaction.",
    "Check the id; for a confirmed transaction name its block, or run the node with txindex=1.",
)

_NO_PSBT = Meaning(
    Invalid,
    "no-psbt",
    "The node cannot read this as a partially signed transaction.",
    "Send a whole PSBT of version 0 (BIP 174) in base64.",
    field=FieldError("/psbt", "is no PSBT of version 0"),
)
_NO_WALLETS = Meaning(
    Precondition,
    "wallets-disabled",
    "The node runs without wallets.",
    "Start it without -disablewallet, or use a node that has wallets; what only reads the chain works all the same.",
)
_NO_SIGNER_COMMAND = Meaning(
    Precondition,
    "no-signer-command",
    "The node has no command for signing devices, or the command failed.",
    "Start bitcoind with -signer=<command>, unlock the device, see that `<command> enumerate` lists it; then repeat.",
)
_NOT_BUMPABLE = Meaning(
    Refused,
    "not-bumpable",
    "The wallet cannot replace the payment: it is mined, replaced, or does not signal that it may be.",
    "Look the payment up; if it waits and has change, give bump_fee its txid and wallet: a child pays for it then.",
)

BY_METHOD = MappingProxyType(
    {
        **{(method, -32601): _NO_WALLETS for method in WALLET},
        ("getblock", -5): _NO_BLOCK,
        ("getblockheader", -5): _NO_BLOCK,
        ("getblockfilter", -5): _NO_BLOCK,
        ("getblockstats", -5): _NO_BLOCK,
        ("getblockstats", -8): _NO_BLOCK,
        ("getblockhash", -8): _NO_BLOCK,
        ("getchaintxstats", -5): _NO_BLOCK,
        ("getrawtransaction", -5): _NO_TRANSACTION,
        ("gettransaction", -5): _NO_TRANSACTION,
        ("gettxoutproof", -5): _NO_TRANSACTION,
        ("getmempoolentry", -5): Meaning(
            NotFound,
            "not-in-mempool",
            "The node's mempool has no such transaction.",
            "Look it up with get_transaction; it may have been mined or replaced.",
        ),
        ("walletcreatefundedpsbt", -4): Meaning(
            Funds,
            "not-funded",
            "The wallet cannot fund the transaction: it has too few spendable coins for the amounts and the fee.",
            "Fund the wallet, wait for confirmations, send less, or name other coins.",
        ),
        ("walletcreatefundedpsbt", -8): Meaning(
            Invalid,
            "not-fundable",
            "The node's wallet refuses a value of the transaction, such as a coin that is not its own.",
            "Check recipients, coins and feerate.",
        ),
        ("getnewaddress", -4): Meaning(
            Precondition,
            "no-keys",
            "The wallet has no keys for new addresses of this type.",
            "Import an active descriptor of this type into the watch-only wallet, or choose another type.",
        ),
        ("importdescriptors", -4): Meaning(
            Unavailable,
            "rescanning",
            "The wallet is still looking through the chain after an earlier import.",
            "Repeat when it is done; get_balance answers meanwhile with what is found so far.",
            60_000,
        ),
        ("decoderawtransaction", -22): Meaning(
            Invalid,
            "no-raw-transaction",
            "The node cannot read this as a transaction.",
            "Send a whole serialized transaction in hexadecimal digits.",
            field=FieldError("/transaction", "is no serialized transaction"),
        ),
        **dict.fromkeys(
            tuple(
                (method, -22)
                for method in ("decodepsbt", "analyzepsbt", "walletprocesspsbt", "combinepsbt", "finalizepsbt")
            ),
            _NO_PSBT,
        ),
        ("walletprocesspsbt", -25): Meaning(
            Refused,
            "not-signed",
            "The node's wallet cannot sign this.",
            "Look at the PSBT with decode_psbt, then build it anew.",
        ),
        **dict.fromkeys((("enumeratesigners", -1), ("enumeratesigners", -32601)), _NO_SIGNER_COMMAND),
        ("psbtbumpfee", -1): _NOT_BUMPABLE,
        ("psbtbumpfee", -4): _NOT_BUMPABLE,
        ("psbtbumpfee", -5): _NOT_BUMPABLE,
        ("psbtbumpfee", -8): Meaning(
            Refused,
            "not-bumpable",
            "The wallet cannot replace the payment like this.",
            "Choose a feerate clearly above the old one, and spend nothing of its change before; nothing was sent.",
        ),
        ("scantxoutset", -8): Meaning(
            Unavailable,
            "scan-running",
            "The node is busy with another scan, and does one at a time.",
            "Repeat when that scan is over.",
            10_000,
        ),
        ("getmempoolancestors", -5): _NO_TRANSACTION,
        ("getmempooldescendants", -5): _NO_TRANSACTION,
    }
)

_CREDENTIALS = "Correct ISTHMUS_BITCOIN_URL, ISTHMUS_BITCOIN_COOKIE or the secret that ISTHMUS_BITCOIN_SECRET names."

HTTP = MappingProxyType(
    {
        400: Meaning(Defect, "request", "The node does not take our request for one.", _OUR_REQUEST),
        401: Meaning(Defect, "credentials", "The node refused our credentials.", _CREDENTIALS, severity="critical"),
        403: Meaning(
            Defect,
            "not-allowed",
            "The node does not allow this call from here.",
            "Add this host to rpcallowip, or the method to rpcwhitelist, in the node's configuration.",
        ),
        404: Meaning(
            Defect,
            "no-rpc",
            "There is no JSON-RPC service under the node's address.",
            "Correct the path and port in the node's URL.",
        ),
        405: Meaning(Defect, "request", "The node does not take our request for one.", _OUR_REQUEST),
        500: Meaning(Unavailable, "node-trouble", "The node reports an internal error.", _LOOK_AT_NODE),
        503: Meaning(Unavailable, "node-busy", "The node has too much to do.", "Repeat after a moment.", 1_000),
    }
)

TRANSPORT = MappingProxyType(
    {
        "refused": Meaning(
            Unavailable,
            "unreachable",
            "Nobody accepts connections at the node's address.",
            "Start the node, or correct its URL; then repeat.",
        ),
        "tls": Meaning(
            Unavailable,
            "tls",
            "No trusted TLS connection to the node could be made.",
            "Check the node's certificate and ISTHMUS_BITCOIN_CA.",
        ),
        "timeout": Meaning(
            Unavailable, "timeout", "The node did not answer in time.", "Repeat; if it stays slow, look at its load."
        ),
        "cut": Meaning(Unavailable, "cut", "The connection to the node broke before its answer.", _LATER),
        "nonsense": Meaning(
            Unavailable,
            "nonsense",
            "What answers at the node's address does not speak Bitcoin's JSON-RPC.",
            "Check that the node's URL leads to a Bitcoin node.",
        ),
        "oversize": Meaning(
            Unavailable,
            "oversize",
            "The node's answer is larger than the limit and was not read.",
            "Ask for less at once.",
        ),
    }
)
