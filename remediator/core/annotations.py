"""Writes annotations: compact JSON, with limits on the length of texts and lists. Pure."""

import json
from collections import Counter
from collections.abc import Sequence

from remediator.core.text import printable

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def dump(value: object) -> str:
    """Compact JSON that escapes only quotes, backslashes and control characters."""
    return _encode(value)


def cut(text: str, limit: int) -> str:
    """The start of a text, as one line of at most this many characters in JSON, where a quote takes two."""
    text = printable(text[:limit])
    if '"' not in text and "\\" not in text:
        return text
    while len(dump(text)) - len('""') > limit:
        text = text[:-1]
    return text


def fit(texts: Sequence[str], kinds: Sequence[str], limit: int) -> list[str]:
    """Drop texts, given oldest first, until the rest fits the limit; each also takes a comma.

    Those of the kind "" are dropped first, then those with the most newer ones of their kind. The newest of each kind
    stays.
    """
    after: Counter[str] = Counter()
    spare = []
    for index, kind in reversed([*enumerate(kinds)]):
        if after[kind]:
            spare.append((kind != "", -after[kind], index))
        after[kind] += 1
    over, gone = sum(len(text) + 1 for text in texts) - limit, set()
    for *_, index in sorted(spare):
        if over <= 0:
            break
        gone.add(index)
        over -= len(texts[index]) + 1
    return [text for index, text in enumerate(texts) if index not in gone]
