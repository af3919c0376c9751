"""Makes text from outside safe to show. Pure."""


def printable(text: str) -> str:
    """The text without terminal control characters and line breaks."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)


def recordable(text: str) -> str:
    """The same without quotes, backslashes and braces, which the admission policy uses to find acts in the ledger."""
    return printable(text).translate(_HARMLESS)


_HARMLESS = str.maketrans({'"': "'", "\\": "/", "{": "(", "}": ")"})
