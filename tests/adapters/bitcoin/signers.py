"""Signers that are not the node: the Bitcoin Dev Kit (rust-bitcoin, rust-miniscript) with keys of its own.

Like a hardware wallet it demands the whole transaction that a segwit v0 input spends from, and takes a key for its own
by its fingerprint and path only.
"""

from typing import Any

import bdkpython as bdk

TEST = bdk.NetworkKind.TEST
SINGLE = {
    "p2pkh": bdk.Descriptor.new_bip44,
    "p2sh-p2wpkh": bdk.Descriptor.new_bip49,
    "p2wpkh": bdk.Descriptor.new_bip84,
    "p2tr": bdk.Descriptor.new_bip86,
}
"""Descriptors of one key by the type of their addresses."""

Pair = tuple[str, str]
"""The descriptors of receiving and of change addresses, with the private keys that the signer has."""


def key(number: int) -> Any:
    """A master key that nobody should use."""
    return bdk.DescriptorSecretKey(TEST, bdk.Mnemonic.from_entropy(bytes([number]) * 16), None)


def single(kind: str, number: int = 1) -> Pair:
    """The descriptors of one key's account."""
    receiving, change = (
        SINGLE[kind](key(number), keychain, TEST).to_string_with_secret()
        for keychain in (bdk.KeychainKind.EXTERNAL, bdk.KeychainKind.INTERNAL)
    )
    return receiving, change


def two_of_three(signer: int) -> Pair:
    """BIP 48's p2wsh of keys 1, 2 and 3, as the signer with one of them sees it."""
    accounts = [key(number).derive(bdk.DerivationPath("m/48h/1h/0h/2h")) for number in (1, 2, 3)]
    shown = [str(one if place == signer else one.as_public()) for place, one in enumerate(accounts, 1)]
    keys = [one.removesuffix("/*") for one in shown]
    receiving, change = (f"wsh(sortedmulti(2,{','.join(f'{one}/{step}/*' for one in keys)}))" for step in (0, 1))
    return receiving, change


def public(pair: Pair) -> Pair:
    """The same for everybody to see."""
    receiving, change = (str(bdk.Descriptor(one, TEST)) for one in pair)
    return receiving, change


def watched(pair: Pair) -> list[dict[str, Any]]:
    """What import_descriptors takes of them."""
    receiving, change = public(pair)
    shared = {"range_end": 100, "active": True}
    return [{"descriptor": receiving, "change": False} | shared, {"descriptor": change, "change": True} | shared]


def signed(psbt: str, *pairs: Pair, finalize: bool = False) -> str:
    """The PSBT as the signer gives it back."""
    found = bdk.Psbt(psbt)
    options = bdk.SignOptions(
        trust_witness_utxo=False,
        assume_height=None,
        allow_all_sighashes=False,
        try_finalize=finalize,
        sign_with_tap_internal_key=True,
        allow_grinding=True,
    )
    for pair in pairs:
        descriptors = [bdk.Descriptor(one, TEST) for one in pair]
        wallet = bdk.Wallet(*descriptors, bdk.Network.REGTEST, bdk.Persister.new_in_memory())
        wallet.sign(found, options)
    return str(found.serialize())


def fingerprint(number: int) -> str:
    """Of a master key, as it stands in a descriptor."""
    return public(single("p2wpkh", number))[0].partition("[")[2][:8]
