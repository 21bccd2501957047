"""A payment as callers describe it: the fields that every operation which builds a transaction has in common."""

import re
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from isthmus.bitcoin.amounts import MAX_BTC, SAT_PER_BTC
from isthmus.bitcoin.broadcasting import MAX_RAW
from isthmus.bitcoin.building import MAX_RECIPIENTS, Draft, Recipient
from isthmus.bitcoin.objections import MAX_FEERATE_SAT_PER_KVB
from isthmus.bitcoin.psbts import MAX_PSBT
from isthmus.bitcoin.wallets import WALLET_NAME, node_wallet
from isthmus.fields import FeerateSatPerKvb, Request, Sat

Outpoint = Annotated[str, Field(pattern=r"^[0-9a-f]{64}:(0|[1-9][0-9]{0,5})$", description="txid:vout")]
WalletName = Annotated[str, Field(pattern=WALLET_NAME, description="name of a wallet of the caller's tenant")]
RawHex = Annotated[
    str,
    Field(max_length=MAX_RAW, pattern=r"^([0-9a-fA-F]{2}){10,}$", description="serialized transaction, hexadecimal"),
]
Psbt = Annotated[
    str,
    Field(max_length=MAX_PSBT, pattern=r"^[A-Za-z0-9+/]{8,}={0,2}$", description="PSBT (BIP 174), base64"),
]
_LABEL = r"^([0-9A-Za-z][0-9A-Za-z .,_:/#@+-]{0,79})?$"
Label = Annotated[str, Field(max_length=80, pattern=_LABEL, description="letters, digits and plain signs")]
ChosenFeerate = Annotated[FeerateSatPerKvb, Field(ge=1, le=MAX_FEERATE_SAT_PER_KVB)]
MAX_SAT = MAX_BTC * SAT_PER_BTC


class PayTo(Request):
    """Whom to pay how much."""

    address: str = Field(min_length=14, max_length=90)
    amount_sat: Annotated[Sat, Field(ge=1)]


class WantedPayment(Request):
    """A payment as it is wanted."""

    wallet: WalletName
    recipients: list[PayTo] = Field(min_length=1, max_length=MAX_RECIPIENTS)
    max_fee_sat: Sat = Field(description="the fee may not be higher; part of what the budget is asked for")
    feerate_sat_per_kvb: ChosenFeerate | None = Field(
        default=None, description="the feerate; without it the node's estimate for target_blocks"
    )
    target_blocks: int = Field(default=6, ge=1, le=1008, description="in how many blocks it should confirm")
    subtract_fee: list[Annotated[int, Field(ge=0, le=MAX_RECIPIENTS - 1)]] = Field(
        default=[], max_length=MAX_RECIPIENTS, description="which recipients, by index, share the fee"
    )
    coins: list[Outpoint] = Field(default=[], max_length=60, description="spend these coins and no others")
    replaceable: bool = Field(default=True, description="whether it signals replacement by fee (BIP 125)")

    @field_validator("recipients")
    @classmethod
    def _no_more_than_there_is(cls, recipients: list[PayTo]) -> list[PayTo]:
        if sum(one.amount_sat for one in recipients) > MAX_SAT:
            raise ValueError("the amounts together are more than 21 million bitcoin")
        return recipients

    @field_validator("max_fee_sat")
    @classmethod
    def _no_more_than_is_left(cls, max_fee_sat: int, info: ValidationInfo) -> int:
        if max_fee_sat + sum(one.amount_sat for one in info.data.get("recipients", [])) > MAX_SAT:
            raise ValueError("with the amounts it is more than 21 million bitcoin")
        return max_fee_sat

    def draft(self, tenant: str) -> Draft:
        """The payment from a wallet of the tenant."""
        return Draft(
            wallet=node_wallet(tenant, self.wallet),
            recipients=[Recipient(one.address, one.amount_sat) for one in self.recipients],
            max_fee_sat=self.max_fee_sat,
            feerate_sat_per_kvb=self.feerate_sat_per_kvb,
            target_blocks=self.target_blocks,
            subtract_fee=self.subtract_fee,
            coins=self.coins,
            replaceable=self.replaceable,
        )


def label_shown(label: object) -> str | None:
    """A label of the node's wallet, if it is one that could have been given here."""
    return label if isinstance(label, str) and label and re.fullmatch(_LABEL, label) else None
