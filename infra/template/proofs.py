"""How a request proves who asks, as OpenAPI says it."""

PROOFS: list[dict[str, list[str]]] = [
    {"token": [], "proof": []},
    {"signatureInput": [], "signature": []},
    {"apiKey": []},
]
"""Three ways to say who asks; one of them is needed, with all its headers."""

SCHEMES: dict[str, dict[str, str]] = {
    "token": {
        "type": "http",
        "scheme": "DPoP",
        "description": "An access token of POST /v1/auth/token, bound to a key (RFC 9449 section 7.1).",
    },
    "proof": {
        "type": "apiKey",
        "in": "header",
        "name": "DPoP",
        "description": "A proof of having that key, made for this one request (RFC 9449 section 4).",
    },
    "signatureInput": {
        "type": "apiKey",
        "in": "header",
        "name": "Signature-Input",
        "description": "What is signed by which key: `keyid` is a DID URL, `tag` is `did-auth` (RFC 9421 section 4.1).",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "Signature",
        "description": "The signature of this one request (RFC 9421 section 4.2).",
    },
    "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key, `isk_<key id>_<secret>`."},
}
