"""Nodes that lie."""

from tests.adapters.bitcoin.conftest import lying

__all__ = ["lying"]
