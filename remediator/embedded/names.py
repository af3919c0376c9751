"""What names, labels and annotations may look like.

One rule: each check returns what is wrong, in the words of the API server, or nothing.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from remediator.embedded.failure import Cause, invalid_value, required, too_long

ANNOTATIONS_LIMIT = 256 * 1024

LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
VALUE = f"({QUALIFIED})?"

NOT_A_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{SUBDOMAIN}')"
)
NOT_A_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
    "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    f"'{LABEL}')"
)
NOT_QUALIFIED = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    f"'{QUALIFIED}')"
)
NOT_A_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    f"for validation is '{VALUE}')"
)


def quoted(value: Any) -> str:
    """A value as messages show it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def check_metadata(metadata: Mapping[str, Any], *, label_name: bool = False) -> Iterator[Cause]:
    """What is wrong with an object's name, labels and annotations."""
    name = metadata.get("name", "")
    if not name:
        yield required("metadata.name", "name or generateName is required")
    elif label_name:
        yield from check_name("metadata.name", name)
    elif not re.fullmatch(SUBDOMAIN, name) or len(name) > 253:
        yield invalid_value("metadata.name", quoted(name), NOT_A_SUBDOMAIN)
    yield from check_labels("metadata.labels", metadata.get("labels", {}))
    yield from check_annotations("metadata.annotations", metadata.get("annotations", {}))


def check_name(field: str, name: str) -> Iterator[Cause]:
    """What is wrong with the name of a container or namespace."""
    if not name:
        yield required(field)
    elif not re.fullmatch(LABEL, name):
        yield invalid_value(field, quoted(name), NOT_A_LABEL)
    elif len(name) > 63:
        yield invalid_value(field, quoted(name), "must be no more than 63 characters")


def check_labels(field: str, labels: Mapping[str, str]) -> Iterator[Cause]:
    """What is wrong with labels."""
    for key, value in labels.items():
        yield from check_qualified(field, key)
        if not re.fullmatch(VALUE, value):
            yield invalid_value(field, quoted(value), NOT_A_VALUE)
        elif len(value) > 63:
            yield invalid_value(field, quoted(value), "must be no more than 63 characters")


def check_annotations(field: str, annotations: Mapping[str, str]) -> Iterator[Cause]:
    """What is wrong with annotations."""
    for key in annotations:
        yield from check_qualified(field, key.lower())
    size = sum(_size(key) + _size(value) for key, value in annotations.items())
    if size > ANNOTATIONS_LIMIT:
        yield too_long(field, ANNOTATIONS_LIMIT)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def check_qualified(field: str, key: str) -> Iterator[Cause]:
    """What is wrong with a key such as `example.com/name`."""
    prefix, slash, name = key.rpartition("/")
    if slash and not prefix:
        yield invalid_value(field, quoted(key), "prefix part must be non-empty")
    elif prefix and not re.fullmatch(SUBDOMAIN, prefix):
        yield invalid_value(field, quoted(key), f"prefix part {NOT_A_SUBDOMAIN}")
    if not name:
        yield invalid_value(field, quoted(key), "name part must be non-empty")
    elif len(name) > 63:
        yield invalid_value(field, quoted(key), "name part must be no more than 63 characters")
    elif not re.fullmatch(QUALIFIED, name):
        yield invalid_value(field, quoted(key), NOT_QUALIFIED)
