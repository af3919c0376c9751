"""The text of an annotation: compact JSON, in which a text or a list takes no more characters than it may. Pure."""

import json
from collections import Counter
from collections.abc import Sequence

from remediator.core.text import printable

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def dump(value: object) -> str:
    """Compact JSON, in which only quotes, backslashes and control characters are escaped."""
    return _encode(value)


def cut(text: str, limit: int) -> str:
    """The beginning of a text, as one line, that takes no more characters than this in JSON; a quote takes two."""
    text = printable(text[:limit])
    if '"' not in text and "\\" not in text:
        return text
    while len(dump(text)) - len('""') > limit:
        text = text[:-1]
    return text


def fit(texts: Sequence[str], kinds: Sequence[str], limit: int) -> list[str]:
    """The texts, the oldest first, without as many as it takes to come down to the limit; each also takes a comma.

    Those of the kind "" go first, then those that most of their kind came after. The newest of each kind stays.
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
