"""Spending exactly once: the engine and its records."""
