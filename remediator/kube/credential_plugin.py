"""Credential plugins of a kubeconfig (`exec`): a program that prints a token or a client certificate.

It is run as by client-go, but with a timeout, after which it is killed with all its child processes.
"""

import json
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any

from remediator.core.text import printable

API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
INTERACTIVE_MODES = ("Never", "IfAvailable", "Always")

_QUIET_SECONDS = 2.0
"""A plugin that takes longer than this is reported to the person."""

_MOST_OUTPUT = 1 << 20
_MOST_WORDS = 600
_MOST_LINES = 20


class PluginFailed(Exception):
    """A plugin provided no credentials; the text says which and why, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginPatience:
    """How long a plugin may take, and how to report its progress to a person."""

    seconds: float = 3.0
    seconds_at_terminal: float = 3.0
    """Timeout of a plugin that may prompt the person."""
    terminal: bool = False
    """Whether standard input is a terminal."""
    say: Callable[[str], object] | None = None


UNATTENDED = PluginPatience()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A kubeconfig's `exec` section."""

    command: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    api_version: str = API_VERSIONS[0]
    mode: str = "IfAvailable"
    install_hint: str = ""
    cluster: Mapping[str, Any] | None = None
    """The cluster info that it gets, if the kubeconfig asks for that."""

    def missing(self) -> str:
        """Why the program cannot be run, with the kubeconfig's own hint, or empty."""
        if shutil.which(self.command):
            return ""
        hint = f"; {_words(self.install_hint)}" if self.install_hint else ""
        return f"the credential plugin {_words(self.command)} is not installed{hint}"

    def run(self, patience: PluginPatience) -> "PluginCredential":
        """Run it once. Raises PluginFailed."""
        if self.mode == "Always" and not patience.terminal:
            raise PluginFailed(f"the credential plugin {_words(self.command)} needs a terminal, and there is none")
        interactive = patience.terminal and self.mode != "Never"
        information: dict[str, Any] = {"interactive": interactive}
        if self.cluster is not None:
            information["cluster"] = self.cluster
        request = {"apiVersion": self.api_version, "kind": "ExecCredential", "spec": information}
        environment = {**os.environ, **self.environment, "KUBERNETES_EXEC_INFO": json.dumps(request)}
        if missing := self.missing():
            raise PluginFailed(missing)
        try:
            process = subprocess.Popen(
                [self.command, *self.arguments],
                stdin=None if interactive else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=None if interactive else subprocess.PIPE,
                env=environment,
                # A plugin that prompts has to stay in the terminal's foreground process group.
                start_new_session=not interactive,
            )
        except (OSError, ValueError) as error:
            raise PluginFailed(f"the credential plugin {_words(self.command)} does not start: {error}") from error
        with _Run(process, _words(self.command), patience, interactive) as run:
            output = run.output()
        return _credential(output, self)


class _Run:
    """A running plugin; leaving the context kills whatever still runs."""

    def __init__(
        self, process: subprocess.Popen[bytes], name: str, patience: PluginPatience, interactive: bool
    ) -> None:
        self._process, self._name, self._say = process, name, patience.say
        self._group = not interactive
        self._began = time.monotonic()
        self._seconds = patience.seconds_at_terminal if interactive else patience.seconds
        self._output, self._words, self._line = bytearray(), b"", b""
        self._lines, self._announced = 0, False

    def __enter__(self) -> "_Run":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                if self._group:
                    os.killpg(self._process.pid, signal.SIGKILL)
                else:
                    self._process.kill()
            self._process.wait()
        for pipe in self._pipes():
            pipe.close()

    def output(self) -> bytes:
        """Wait for it, and return its output. Raises PluginFailed."""
        with selectors.DefaultSelector() as selector:
            for pipe in self._pipes():
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(min(self._left(), 0.1))
                for key, _ in ready:
                    self._take(selector, key.fileobj)
                # A child left running may keep the pipes open forever.
                if not ready and self._process.poll() is not None:
                    break
        while self._process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(min(self._left(), 0.1))
        if self._process.returncode:
            raise PluginFailed(
                f"the credential plugin {self._name} failed with exit code {self._process.returncode}{self._said()}"
            )
        return bytes(self._output)

    def _pipes(self) -> list[IO[bytes]]:
        return [pipe for pipe in (self._process.stdout, self._process.stderr) if pipe]

    def _left(self) -> float:
        passed = time.monotonic() - self._began
        if passed > self._seconds:
            raise PluginFailed(
                f"the credential plugin {self._name} gave no answer in {self._seconds:.0f}s and was killed"
                f"{self._said()}"
            )
        if self._say and not self._announced and passed > min(_QUIET_SECONDS, self._seconds / 2):
            self._announced = True
            self._say(f"waiting for the credential plugin {self._name}, for up to {self._seconds:.0f}s")
        return self._seconds - passed + 0.01

    def _take(self, selector: selectors.BaseSelector, pipe: Any) -> None:
        chunk = os.read(pipe.fileno(), 65536)
        if not chunk:
            selector.unregister(pipe)
        elif pipe is self._process.stdout:
            self._output += chunk
            if len(self._output) > _MOST_OUTPUT:
                raise PluginFailed(f"the credential plugin {self._name} printed over {_MOST_OUTPUT >> 20} MiB")
        else:
            self._relay(chunk)

    def _relay(self, chunk: bytes) -> None:
        """Show a person its standard error (for example a login code), and keep the end of it for messages."""
        self._words = (self._words + chunk)[-_MOST_WORDS:]
        *lines, self._line = (self._line + chunk).split(b"\n")
        self._line = self._line[-_MOST_WORDS:]
        for line in lines:
            if self._say and self._lines < _MOST_LINES and line.strip():
                self._lines += 1
                self._say(f"{self._name}: {_words(line.decode(errors='replace'))}")

    def _said(self) -> str:
        words = _words(self._words.decode(errors="replace"))
        return f": {words}" if words else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginCredential:
    """The credentials that a plugin printed."""

    token: str = field(default="", repr=False)
    identity: bytes | None = field(default=None, repr=False)
    """A client certificate and its key, as PEM."""
    expires: datetime | None = None

    def is_good(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires is None or now < self.expires


def _credential(output: bytes, plugin: Plugin) -> PluginCredential:
    """Parse the printed ExecCredential. Raises PluginFailed."""
    name = f"the credential plugin {_words(plugin.command)}"
    try:
        printed = json.loads(output)
        version, status = printed["apiVersion"], printed.get("status")
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        raise PluginFailed(f"{name} printed no ExecCredential in JSON") from None
    if version != plugin.api_version or printed.get("kind") != "ExecCredential":
        found = _words(f"{printed.get('kind')} of {version}")
        raise PluginFailed(
            f"{name} printed {found}, and the kubeconfig asks for an ExecCredential of {plugin.api_version}"
        )
    if not isinstance(status, dict):
        raise PluginFailed(f"{name} printed an ExecCredential without a status")
    fields = ("token", "clientCertificateData", "clientKeyData", "expirationTimestamp")
    texts = {key: status.get(key) or "" for key in fields}
    for key, text in texts.items():
        if not isinstance(text, str):
            raise PluginFailed(f"{name} printed a status.{key} that is not a string")
    token, certificate, key, ends = texts.values()
    if bool(certificate) != bool(key):
        raise PluginFailed(f"{name} printed a certificate or a key, but not both")
    if not token and not certificate:
        raise PluginFailed(f"{name} printed neither a token nor a certificate")
    return PluginCredential(
        token=token,
        identity=f"{certificate}\n{key}\n".encode() if certificate else None,
        expires=_time(ends, name) if ends else None,
    )


def _time(text: str, name: str) -> datetime:
    try:
        time_ = datetime.fromisoformat(text)
    except ValueError:
        time_ = None
    if time_ is None or time_.tzinfo is None:
        raise PluginFailed(
            f"{name} printed a status.expirationTimestamp that is not an RFC 3339 time: {_words(text[:40])}"
        )
    return time_.astimezone(UTC)


def _words(text: str) -> str:
    """A short text on one line, without terminal control characters."""
    return " ".join(printable(text[-_MOST_WORDS:]).split())
