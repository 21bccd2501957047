"""Decentralized identifiers: from a DID to the public keys that speak for it (W3C DID Core 1.0)."""
