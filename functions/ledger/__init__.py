"""Payments over all connectors: what became of them, and who settles what is not known."""
