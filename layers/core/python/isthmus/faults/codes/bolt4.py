"""Failure codes of an onion-routed HTLC (BOLT 4, "Failure Messages").

What a node on the way says ends one attempt, and our node tries the next: the payment is open until our node says that
it failed. What the payee says about the payment itself is final.
"""

from isthmus.failure import Refused, Unavailable
from isthmus.faults.codes.meaning import BY_EFFECT, Codes, Meaning

BADONION, PERM, NODE, UPDATE = 0x8000, 0x4000, 0x2000, 0x1000

BOLT4 = Codes(
    {
        PERM | 1: BY_EFFECT,  # invalid_realm
        NODE | 2: BY_EFFECT,  # temporary_node_failure
        PERM | NODE | 2: BY_EFFECT,  # permanent_node_failure
        PERM | NODE | 3: BY_EFFECT,  # required_node_feature_missing
        BADONION | PERM | 4: Meaning(Unavailable),  # invalid_onion_version
        BADONION | PERM | 5: Meaning(Unavailable),  # invalid_onion_hmac
        BADONION | PERM | 6: Meaning(Unavailable),  # invalid_onion_key
        UPDATE | 7: BY_EFFECT,  # temporary_channel_failure
        PERM | 8: BY_EFFECT,  # permanent_channel_failure
        PERM | 9: BY_EFFECT,  # required_channel_feature_missing
        PERM | 10: BY_EFFECT,  # unknown_next_peer
        UPDATE | 11: BY_EFFECT,  # amount_below_minimum
        UPDATE | 12: BY_EFFECT,  # fee_insufficient
        UPDATE | 13: BY_EFFECT,  # incorrect_cltv_expiry
        UPDATE | 14: BY_EFFECT,  # expiry_too_soon
        PERM | 15: Meaning(Refused),  # incorrect_or_unknown_payment_details
        PERM | 16: Meaning(Refused),  # incorrect_payment_amount, no longer sent
        17: Meaning(Refused),  # final_expiry_too_soon, no longer sent
        18: Meaning(Refused),  # final_incorrect_cltv_expiry
        19: Meaning(Refused),  # final_incorrect_htlc_amount
        UPDATE | 20: BY_EFFECT,  # channel_disabled
        21: BY_EFFECT,  # expiry_too_far
        PERM | 22: BY_EFFECT,  # invalid_onion_payload
        23: Meaning(Refused),  # mpp_timeout
        BADONION | PERM | 24: Meaning(Unavailable),  # invalid_onion_blinding
    },
    {},
)
