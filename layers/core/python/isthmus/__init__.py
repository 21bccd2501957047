"""The library behind every Isthmus operation."""

VERSION = "0.1.0"
"""The release that this is, as in pyproject.toml."""
