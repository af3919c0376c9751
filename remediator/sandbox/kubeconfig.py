"""The kubeconfig of the embedded cluster.

One rule: the file is complete or absent, and only its owner can read it.
"""

import os
import tempfile
from pathlib import Path

CONTEXT = "embedded"
NAMESPACE = "denis"


def kubeconfig(url: str) -> str:
    """The text of a kubeconfig."""
    return f"""\
apiVersion: v1
kind: Config
current-context: {CONTEXT}
clusters:
- name: {CONTEXT}
  cluster: {{server: "{url}"}}
users:
- name: {CONTEXT}
  user: {{}}
contexts:
- name: {CONTEXT}
  context: {{cluster: {CONTEXT}, user: {CONTEXT}, namespace: {NAMESPACE}}}
"""


def write_kubeconfig(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, with mode 0600."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
