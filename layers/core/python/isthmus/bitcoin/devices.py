"""The signing device of the node: what bitcoind reaches through `-signer=<command>`, such as HWI.

Source: Bitcoin Core's doc/external-signer.md. bitcoind runs the command for each question, for as long as the command
takes, and keeps the wallet that it asks for locked meanwhile, whether or not anybody still waits for the answer. A
signature that comes too late is thrown away with the answer that nobody reads, so nothing was sent then.
"""

from isthmus.bitcoin.codes import TIMEOUT
from isthmus.bitcoin.views import undocumented
from isthmus.failure import Failure, Precondition, Refused
from isthmus.ports import BitcoinNode

_FAILED = -1
"""What the node says of a command that failed, or that answered something else than HWI's protocol."""

_NOT_SIGNED = -25
"""What the node says when the device said no, or is not the one that has the keys."""


def only_device(node: BitcoinNode) -> None:
    """See that there is one device, and not several, before it is asked for anything.

    Raises:
        Precondition: there is none, or there are several; or the node has no command for devices, or it failed.
    """
    try:
        reply = node.call("enumeratesigners")
        number = len(reply["signers"])
    except Failure as failure:
        raise (silent() if failure.code == TIMEOUT else failure) from None
    except (LookupError, TypeError):
        raise undocumented() from None
    if number == 0:
        raise Precondition(
            "No signing device is connected to the node.",
            next_step="Connect the device and unlock it, then repeat.",
            code="bitcoin/no-signer",
        )
    if number > 1:
        raise Precondition(
            f"{number} signing devices are connected to the node, and it asks none of several.",
            next_step="Leave the one connected that has the keys, then repeat.",
            code="bitcoin/several-signers",
        )


def not_signed(failure: Failure) -> Failure:
    """Why a device that is there did not sign, from what the node said; whatever else the node said as it is."""
    code = failure.upstream.code if failure.upstream else None
    if failure.code == TIMEOUT:
        return silent()
    if code == _FAILED:
        return failed()
    if code != _NOT_SIGNED:
        return failure
    return Refused(
        "The signing device did not sign: somebody said no there, or it has not the wallet's keys. Nothing was sent.",
        next_step="Ask whoever has the device; see that it is the wallet's own, then ask anew.",
        code="bitcoin/signer-refused",
        upstream=failure.upstream,
    )


def silent() -> Precondition:
    """The device has not answered while somebody waited."""
    return Precondition(
        "The signing device has not answered in time; nothing was sent, and nothing will be, whatever it says now.",
        next_step="See to it that somebody is at the device, then send the same request again to be asked again.",
        code="bitcoin/signer-silent",
    )


def failed() -> Precondition:
    """The command did not do what the node had it do."""
    return Precondition(
        "The node's command for signing devices failed, or took too long, or did not speak HWI's protocol.",
        next_step="Unlock the device, try the command given to bitcoind as -signer by hand, then repeat.",
        code="bitcoin/signer-failed",
    )
