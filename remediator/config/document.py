"""A YAML file with the line of every key and value, so that each error can say where it is.

The rule of this file: anything that two parsers could read differently is refused. A duplicate key is an error, as in
Prometheus and Alertmanager, and does not silently overwrite the first.
"""

import pathlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

Path = tuple[str | int, ...]

MAX_BYTES = 1_048_576
MAX_VALUES = 100_000
"""The most values in a file: aliases can expand a small file to a billion."""

_MAX_DEPTH = 32
"""The deepest nesting; remediations.yaml has five levels."""

_NOT_PLAIN = re.compile(
    "[\\t\x85\u2028\u2029\ufeff?]|(^|[\\s\\[{,:-])[&*!](?![=~])|\\r(?!\\n)|^(%|---)|[|>][-+\\d]*#",
    re.MULTILINE,
)
"""Characters that libyaml and PyYAML read differently, or that only one of them refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong in a file, where, and what to do about it."""

    file: str
    line: int | None
    """Counted from 1, or None if there is no text to point into."""
    field: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.field, self.message) if part)


class InvalidDocument(Exception):
    """The file is invalid; holds every problem that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line or 0))
        super().__init__("\n".join(map(str, self.problems)))


class Unreadable(InvalidDocument):
    """The file could not be read this time, whatever is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The value of a YAML file and the lines of its parts."""

    file: str
    value: Any
    lines: Mapping[Path, int]

    def problem(self, path: Path, message: str) -> Problem:
        """A problem at this path, on the line of the nearest part that exists."""
        nearest = path
        while nearest and nearest not in self.lines:
            nearest = nearest[:-1]
        return Problem(file=self.file, line=self.lines.get(nearest, 1), field=spell(path), message=message)


def spell(path: Path) -> str:
    """Format a path for messages: `remediations[0].cooldown`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read_text(path: pathlib.Path) -> str:
    """The text of a configuration file. Raises Unreadable, and InvalidDocument where it is no text."""
    try:
        content = path.read_bytes()
        return content.decode("utf-8")
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise Unreadable([Problem(file=str(path), line=None, field="", message=message)]) from None
    except UnicodeDecodeError as error:
        message = f"is not UTF-8: {error.reason} at byte {error.start}"
        line = content.count(b"\n", 0, error.start) + 1
    raise InvalidDocument([Problem(file=str(path), line=line, field="", message=message)])


def parse_document(text: str, file: str) -> Document:
    """Parse a YAML text; `file` is its name in messages.

    Raises InvalidDocument if the text is not YAML, is too large, or has a duplicate key.
    """
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise InvalidDocument([Problem(file=file, line=1, field="", message="the file is over 1 MiB")])
    if yaml.__with_libyaml__ and not _NOT_PLAIN.search(text):
        try:
            if _is_shallow(text):
                return _read(text, file, yaml.CSafeLoader)
        except (yaml.YAMLError, InvalidDocument):
            pass  # PyYAML's own parser is ten times as slow, but its errors are better.
    return _read_slowly(text, file)


def _is_shallow(text: str) -> bool:
    """Whether libyaml's composer is safe: deep nesting overflows its thread's stack. Raises YAMLError."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            return False
    return True


def _read(text: str, file: str, loader_class: Any) -> Document:
    """Raises YAMLError, RecursionError, InvalidDocument."""
    loader = loader_class(text)
    try:
        node = loader.get_single_node()
        reader = _Reader(file, loader)
        value = None if node is None else reader.read(node, ())
    finally:
        loader.dispose()
    if reader.problems:
        raise InvalidDocument(reader.problems)
    return Document(file=file, value=value, lines=reader.lines)


def _read_slowly(text: str, file: str) -> Document:
    """Parse with PyYAML's own parser, whose errors have a line. Raises InvalidDocument."""
    try:
        return _read(text, file, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        message = "not YAML: " + ", ".join(part for part in (error.context, error.problem) if part)
        raise InvalidDocument([Problem(file=file, line=line, field="", message=message)]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"not YAML: the character #x{error.character:04x} is not allowed"
        raise InvalidDocument([Problem(file=file, line=line, field="", message=message)]) from None
    except RecursionError:
        problem = Problem(file=file, line=1, field="", message="nested too deeply, or an alias inside of itself")
        raise InvalidDocument([problem]) from None


class _Reader:
    """Walks the nodes once, for values and lines together."""

    def __init__(self, file: str, loader: Any) -> None:
        self._file = file
        self._loader = loader
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []
        self._values = 0

    def read(self, node: yaml.Node, path: Path) -> Any:
        self._values += 1
        if self._values > MAX_VALUES:
            message = f"over {MAX_VALUES} values, with aliases expanded"
            raise yaml.MarkedYAMLError(problem=message, problem_mark=node.start_mark)
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._read_mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._construct(node)

    def _construct(self, node: yaml.Node) -> Any:
        try:
            return self._loader.construct_object(node, deep=True)
        except (ValueError, LookupError, AttributeError) as error:  # raised by PyYAML's constructors
            tag = node.tag.rpartition(":")[2]
            message = f"not a {tag} as YAML knows it; put it in quotes if it is text"
            raise yaml.MarkedYAMLError(problem=message, problem_mark=node.start_mark) from error

    def _read_mapping(self, node: yaml.MappingNode, path: Path) -> dict[Any, Any]:
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self._construct(key_node)
            line = key_node.start_mark.line + 1
            if not isinstance(key, str | int):
                message = f"{key!r} cannot be a key; write text or a whole number"
                self.problems.append(Problem(file=self._file, line=line, field=spell(path), message=message))
                continue
            inner = (*path, key)
            if key in mapping:
                message = f"the key is duplicated, first on line {self.lines[inner]}; keep one"
                self.problems.append(Problem(file=self._file, line=line, field=spell(inner), message=message))
                continue
            self.lines[inner] = line
            mapping[key] = self.read(value_node, inner)
        return mapping
