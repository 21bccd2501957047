import pytest

from isthmus.did.resolver import Resolver
from isthmus.failure import Invalid, Unsupported


@pytest.mark.parametrize(
    "did",
    [
        "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
        "did:jwk:eyJrdHkiOiJPS1AiLCJjcnYiOiJFZDI1NTE5IiwieCI6IjExcVlBWUt4Q3JmVlNfN1R5V1FIT2c3aGN2UGFwaU1scndJYWFQY0hVUm8ifQ",
    ],
)
def test_methods_that_need_no_network_are_resolved(did: str) -> None:
    assert Resolver().resolve(did).did == did


@pytest.mark.parametrize("did", ["did:web:example.test", "did:dht:abc", "did:example:1", "did:ethr:0x00"])
def test_other_methods_are_not_supported_and_the_answer_says_which_are(did: str) -> None:
    with pytest.raises(Unsupported, match="key and jwk"):
        Resolver().resolve(did)


@pytest.mark.parametrize("did", ["", "did", "did:", "did:key", "did::x", "DID:key:z", "https://a.test", "did:k y:x"])
def test_what_is_no_did_is_refused(did: str) -> None:
    with pytest.raises(Invalid):
        Resolver().resolve(did)
