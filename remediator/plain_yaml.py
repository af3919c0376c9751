"""Plain YAML, read with libyaml: ten times as fast as PyYAML's own reader, which holds requests up while it works.

The rule of this file: it reads what is plain, and whatever is not - an error, an anchor, a tag, a key that stands
twice - it leaves to document.py, which says what is wrong with it, and where. libyaml's composer is not used, for it
overflows the stack of a thread on a file of brackets; its events come one by one, and no deeper than is allowed here.
"""

import re
from collections.abc import Callable
from typing import Any

import yaml

MAX_DEPTH = 32
"""Collections inside of each other; remediations.yaml has five."""

_TOUCHING = re.compile(r"[|>][-+\d]*#")

Path = tuple[str | int, ...]


class NotPlain(Exception):
    """The text is something that has to be read with more care."""


def read_plain(text: str, max_values: int) -> tuple[dict[str | int, Any], dict[Path, int]]:
    """The mapping that a YAML text is, and the line of each of its parts, from 1.

    Raises NotPlain where it has more than so many values, is not plain, or libyaml is missing.
    """
    if not yaml.__with_libyaml__ or _is_ambiguous(text):
        raise NotPlain
    try:
        return _Reader(text, max_values).read_document()
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:  # what PyYAML's constructors raise
        raise NotPlain from error


def _is_ambiguous(text: str) -> bool:
    """Whether libyaml and PyYAML may read it in different ways, and only one of them refuse it.

    That is so with tabs, line breaks other than those of text files, a byte order mark, directives, and a comment that
    touches the sign of a block.
    """
    return (
        any(character in text for character in "\t\x85\u2028\u2029\ufeff")
        or text.count("\r") != text.count("\r\n")
        or "\n%" in f"\n{text}"
        or _TOUCHING.search(text) is not None
    )


class _Reader:
    """Walks the events once, for the values and the lines together."""

    def __init__(self, text: str, max_values: int) -> None:
        self._loader: Any = yaml.CSafeLoader(text)
        self._next: Callable[[], Any] = self._loader.get_event
        self._max_values = max_values
        self._constructed: dict[str, Any] = {}
        self._lines: dict[Path, int] = {}

    def read_document(self) -> tuple[dict[str | int, Any], dict[Path, int]]:
        self._next()  # The stream begins.
        self._next()  # The document begins, or the stream ends.
        event = self._next()
        self._lines[()] = event.start_mark.line + 1
        if not isinstance(event, yaml.MappingStartEvent):
            raise NotPlain
        mapping = self._mapping(())
        self._next()  # The document ends.
        if not isinstance(self._next(), yaml.StreamEndEvent):
            raise NotPlain
        return mapping, self._lines

    def _read(self, event: Any, path: Path) -> Any:
        # Each value has a line, so there are as many of the one as of the other.
        if len(self._lines) > self._max_values or len(path) > MAX_DEPTH:
            raise NotPlain
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None or event.tag is not None:
            raise NotPlain
        return self._mapping(path) if isinstance(event, yaml.MappingStartEvent) else self._sequence(path)

    def _mapping(self, path: Path) -> dict[str | int, Any]:
        mapping: dict[str | int, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._scalar(event)
            if not isinstance(key, str | int) or key in mapping:
                raise NotPlain
            inner = (*path, key)
            self._lines[inner] = event.start_mark.line + 1
            mapping[key] = self._read(self._next(), inner)
        return mapping

    def _sequence(self, path: Path) -> list[Any]:
        sequence: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            inner = (*path, len(sequence))
            self._lines[inner] = event.start_mark.line + 1
            sequence.append(self._read(event, inner))
        return sequence

    def _scalar(self, event: Any) -> Any:
        if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None or event.tag is not None:
            raise NotPlain
        text: str = event.value
        plain, _ = event.implicit
        if not plain:
            return text
        if text not in self._constructed:
            if "?" in text:
                raise NotPlain  # PyYAML ends a text in brackets here.
            tag = self._loader.resolve(yaml.ScalarNode, text, event.implicit)
            self._constructed[text] = self._loader.construct_object(yaml.ScalarNode(tag, text))
        return self._constructed[text]
