"""Text that others wrote, as it can be shown. Pure."""


def printable(text: str) -> str:
    """The text without what would steer a terminal or end a line."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)


def recordable(text: str) -> str:
    """The same without quotes, backslashes and braces, by which the admission policy finds acts in the ledger."""
    return printable(text).translate(_HARMLESS)


_HARMLESS = str.maketrans({'"': "'", "\\": "/", "{": "(", "}": ")"})
