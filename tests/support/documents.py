"""YAML by libyaml, which reads and writes it fifteen times as fast as PyYAML by itself."""

from typing import Any

import yaml


def load_yaml(text: str) -> Any:
    """The one document in a text."""
    return yaml.load(text, yaml.CSafeLoader)


def dump_yaml(document: Any) -> str:
    """A document as text."""
    return yaml.dump(document, Dumper=yaml.CSafeDumper)
