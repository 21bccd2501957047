"""A place in a text, for the small parsers of paths and intrinsic functions."""

import re


class Cursor:
    """Reads a text from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    @property
    def done(self) -> bool:
        """Whether everything is read."""
        return self.at == len(self.text)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What the pattern matches here, read; or None, and nothing is read."""
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def need(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """What the pattern matches here.

        Raises:
            ValueError: the text goes on differently.
        """
        found = self.take(pattern)
        if not found:
            raise self.fault()
        return found

    def fault(self) -> ValueError:
        """The complaint about what stands here."""
        return ValueError(f"'{self.text}' cannot be read from character {self.at + 1} on")


def unescape(text: str) -> str:
    r"""The text with every backslash taken away that escapes its neighbour, as in `a\.b`."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
