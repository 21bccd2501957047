"""Webhooks: who wants to be called about what happens, and what became of the calls."""
