"""Which API server, and as whom: a kubeconfig, read as kubectl reads it, or else the Pod's own service account.

A setting that is not supported and would change the identity or the server is refused before anything is sent. No
temporary files are left: the files that a kubeconfig names are read once, here.
"""

import base64
import binascii
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from remediator.core.proxies import InvalidProxy, Proxy, environment_proxy, parse_proxy
from remediator.core.text import printable
from remediator.kube.credential_plugin import API_VERSIONS, INTERACTIVE_MODES, Plugin
from remediator.kube.impersonation import NO_IMPERSONATION, Impersonation

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

_MOST_BYTES = 8 << 20
_MOST_DEPTH = 100
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_EXEC_EXTENSION = "client.authentication.k8s.io/exec"

_CONTEXT_KEYS = frozenset({"cluster", "user", "namespace", "extensions"})
_CLUSTER_KEYS = frozenset(
    {
        *("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority"),
        *("certificate-authority-data", "proxy-url", "disable-compression", "extensions"),
    }
)
_USER_KEYS = frozenset(
    {
        *("client-certificate", "client-certificate-data", "client-key", "client-key-data", "token", "tokenFile"),
        *("as", "as-uid", "as-groups", "as-user-extra", "username", "password", "auth-provider", "exec", "extensions"),
    }
)
_EXEC_KEYS = frozenset({"apiVersion", "command", "args", "env", "installHint", "interactiveMode", "provideClusterInfo"})


class NoCluster(Exception):
    """No usable way to an API server is configured; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """The credentials of the user; without any, requests are anonymous."""

    token: str = field(default="", repr=False)
    token_file: Path | None = None
    """Reloaded regularly; its content wins over `token`."""
    basic: tuple[str, str] | None = field(default=None, repr=False)
    identity: bytes | None = field(default=None, repr=False)
    """A client certificate with its key, as PEM."""
    plugin: Plugin | None = None

    def __bool__(self) -> bool:
        return bool(self.token or self.token_file or self.basic or self.identity or self.plugin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The server, the identity and the TLS settings to reach it."""

    server: str
    """Its URL, without a trailing slash."""
    place: str
    """The file or mount that this comes from."""
    authority: bytes | None = None
    """CA certificates in PEM, or None for the system's."""
    verify: bool = True
    server_name: str = ""
    """The name that its certificate must have, if not the URL's host."""
    proxy: Proxy | None = None
    user: User = User()
    impersonation: Impersonation = NO_IMPERSONATION


def find_access(kubeconfig: Path | None, context: str = "", impersonation: Impersonation = NO_IMPERSONATION) -> Access:
    """From the given file, else as kubectl does: $KUBECONFIG, else ~/.kube/config, else the Pod's account.

    With a context, always from a kubeconfig. `impersonation` overrides the kubeconfig's. Raises NoCluster if there is
    no usable one.
    """
    paths = _paths(kubeconfig)
    in_pod = kubeconfig is None and not context and (SERVICE_ACCOUNT / "token").exists()
    place = os.pathsep.join(map(str, paths))
    try:
        files = [_File(path) for path in paths if kubeconfig or path.exists()]
        if in_pod and not any(file.content for file in files):
            place = str(SERVICE_ACCOUNT)
            access = _pod_access(impersonation)
        else:
            access = _Kubeconfig(files).access(context, impersonation)
    except _Problem as problem:
        remedy = "mount the service account's token, or give --kubeconfig=F"
        if place != str(SERVICE_ACCOUNT):
            remedy = "give --kubeconfig=F, or set KUBECONFIG"
        raise NoCluster(f"no way to a Kubernetes API server: {problem} (looked at {place}); {remedy}") from None
    return access


def find_namespace(kubeconfig: Path | None, context: str = "") -> str:
    """The namespace that kubectl would use: the context's, or the Pod's; empty if none is set or readable."""
    paths = _paths(kubeconfig)
    try:
        files = [_File(path) for path in paths if kubeconfig or path.exists()]
        if kubeconfig is None and not context and not any(file.content for file in files):
            return (SERVICE_ACCOUNT / "namespace").read_text().strip()
        return _Kubeconfig(files).namespace(context)
    except (_Problem, OSError, ValueError):
        return ""


class _Problem(Exception):
    """Why a kubeconfig, or a Pod's account, cannot be used."""


def _paths(kubeconfig: Path | None) -> Sequence[Path]:
    if kubeconfig is not None:
        return [kubeconfig]
    if variable := os.environ.get("KUBECONFIG"):
        return [Path(part) for part in dict.fromkeys(variable.split(os.pathsep)) if part]
    try:
        return [Path("~/.kube/config").expanduser()]
    except RuntimeError:
        # A Pod's user may have no home directory, and so no such file.
        return []


def _read(path: Path, what: str = "") -> bytes:
    """Read a file of limited size. Raises _Problem."""
    prefix = f"{what}: " if what else ""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise _Problem(f"{prefix}there is no such file" + (f" as {path}" if what else "")) from None
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        raise _Problem(f"{prefix}{path} cannot be read: {problem}") from None
    if len(content) > _MOST_BYTES:
        raise _Problem(f"{prefix}{path} is over {_MOST_BYTES >> 20} MiB")
    return content


class _File:
    """One kubeconfig."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # A byte order mark is not part of the text.
            content = _parse(_read(path).decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise _Problem(f"{path} is not a kubeconfig: it is not text in UTF-8") from None
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise _Problem(f"{path} is not a kubeconfig: {_yaml_problem(error)}") from None
        if content is not None and not isinstance(content, dict):
            raise _Problem(f"{path} is not a kubeconfig: it must be a mapping, with clusters, users and contexts")
        self.content: Mapping[Any, Any] = content or {}
        for key, only in (("apiVersion", "v1"), ("kind", "Config")):
            if (found := self.content.get(key) or only) != only:
                raise _Problem(f"{path} is not a kubeconfig: its {key} is {str(found)[:40]!r}, not {only}")

    def entries(self, kind: str) -> Iterator[tuple[str, Any]]:
        """The entries of `clusters`, `users` or `contexts` by name. Raises _Problem."""
        listed = self.content.get(kind) or []
        if not isinstance(listed, list):
            raise _Problem(f"{self.path}: {kind} must be a list")
        for entry in listed:
            if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
                raise _Problem(f"{self.path}: each of {kind} must be a mapping with a name")
            yield entry["name"], entry.get(kind.removesuffix("s"))


def _parse(text: str) -> Any:
    """Parse YAML. Raises YAMLError, ValueError."""
    depth = 0
    # The C loader, needed for files with many certificates, crashes on deeply nested text.
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MOST_DEPTH:
            raise ValueError("it is nested too deeply")
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - it is a safe loader


def _yaml_problem(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0] or "it is too deep"
    return f"{problem}, line {mark.line + 1}" if mark else str(problem)


class _Section:
    """A mapping of a kubeconfig, with typed access to its keys."""

    def __init__(self, path: Path, name: str, content: Any, known: frozenset[str]) -> None:
        self.path, self.name = path, name
        if content is not None and not isinstance(content, dict):
            raise _Problem(f"{path}: {name} must be a mapping")
        self.content: Mapping[Any, Any] = {key: value for key, value in (content or {}).items() if value is not None}
        for key in self.content:
            if key not in known:
                raise self.problem(key, "is not supported, and could change the user or the server")

    def problem(self, key: Any, text: str) -> _Problem:
        """A problem with a key, with its location."""
        return _Problem(f"{self.path}: {self.name}: {_plain(str(key))} {text}")

    def text(self, key: str) -> str:
        """A string, or empty."""
        value = self.content.get(key, "")
        if not isinstance(value, str):
            raise self.problem(key, "must be a string")
        return value

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self.content.get(key, False)
        if not isinstance(value, bool):
            raise self.problem(key, "must be true or false")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings, or none."""
        return _texts(self, key, self.content.get(key, []))

    def mapping(self, key: str) -> Mapping[Any, Any]:
        """A mapping, or an empty one."""
        value = self.content.get(key, {})
        if not isinstance(value, dict):
            raise self.problem(key, "must be a mapping")
        return value

    def file(self, key: str) -> Path | None:
        """A path; a relative one is resolved from the kubeconfig's folder."""
        text = self.text(key)
        return self.path.absolute().parent / text if text else None

    def bytes(self, key: str) -> bytes | None:
        """The decoded `key-data`, else the content of the file that `key` names."""
        if data := self.text(f"{key}-data"):
            try:
                return base64.b64decode("".join(data.split()), validate=True)
            except (binascii.Error, ValueError):
                raise self.problem(f"{key}-data", "is not base64") from None
        path = self.file(key)
        return _read(path, f"{self.path}: {self.name}: {key}") if path else None


def _texts(section: _Section, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise section.problem(key, "must be a list of strings")
    return tuple(value)


def _plain(text: str) -> str:
    return printable(text[:60])


class _Kubeconfig:
    """Several kubeconfigs merged: for each entry the first file wins, as in kubectl."""

    def __init__(self, files: Sequence[_File]) -> None:
        self._files = files

    def access(self, name: str, impersonation: Impersonation) -> Access:
        """The access of a context, by default the current one. Raises _Problem."""
        context = self._context(name or self._current_context())
        cluster = self._entry("clusters", context.text("cluster"), _CLUSTER_KEYS)
        if cluster is None:
            raise context.problem("cluster", f"names {_plain(context.text('cluster'))!r}, which is not there")
        user_name = context.text("user")
        section = self._entry("users", user_name, _USER_KEYS) if user_name else None
        if user_name and section is None:
            raise context.problem("user", f"names {_plain(user_name)!r}, which is not there")
        authority, verify = cluster.bytes("certificate-authority"), not cluster.flag("insecure-skip-tls-verify")
        if authority and not verify:
            raise cluster.problem("certificate-authority", "and insecure-skip-tls-verify exclude each other")
        server = _server(cluster)
        user = _user(section, cluster, server, authority) if section else User()
        _refuse_plain_text(cluster, server, user)
        return Access(
            server=server,
            place=str(cluster.path),
            authority=authority,
            verify=verify,
            server_name=cluster.text("tls-server-name"),
            proxy=_proxy(cluster, server),
            user=user,
            impersonation=_impersonation(section, impersonation),
        )

    def namespace(self, name: str) -> str:
        """The namespace of a context, by default the current one. Raises _Problem."""
        return self._context(name or self._current_context()).text("namespace")

    def _current_context(self) -> str:
        for file in self._files:
            name = file.content.get("current-context") or ""
            if not isinstance(name, str):
                raise _Problem(f"{file.path}: current-context must be a string")
            if name:
                return name
        if not self._files:
            raise _Problem("there is no such file")
        raise _Problem("the kubeconfig has no current-context; choose one with --context")

    def _context(self, name: str) -> _Section:
        found = self._entry("contexts", name, _CONTEXT_KEYS)
        if found is None:
            names = [_plain(one) for file in self._files for one, _ in file.entries("contexts")]
            raise _Problem(f"the kubeconfig has no context {_plain(name)!r}, but {', '.join(names[:9]) or 'none'}")
        return found

    def _entry(self, kind: str, name: str, known: frozenset[str]) -> _Section | None:
        for file in self._files:
            found = [content for one, content in file.entries(kind) if one == name]
            if len(found) > 1:
                raise _Problem(f"{file.path}: {kind} has several named {_plain(name)!r}")
            if found:
                return _Section(file.path, f"{kind.removesuffix('s')} {_plain(name)!r}", found[0], known)
        return None


def _server(cluster: _Section) -> str:
    url = cluster.text("server").strip()
    if not url:
        raise cluster.problem("server", "is missing")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url or "?" in url or "#" in url:
        raise cluster.problem("server", f"is not the URL of an API server, as https://10.0.0.1:6443: {_plain(url)!r}")
    if "@" in parts.netloc:
        raise cluster.problem("server", "holds credentials, which belong to the user")
    return url.rstrip("/")


def _refuse_plain_text(cluster: _Section, server: str, user: User) -> None:
    """Without TLS, kubectl drops the user's credentials and is anonymous; this refuses."""
    host = urlsplit(server).hostname or ""
    if user and server.startswith("http:") and not (host in ("localhost", "::1") or host.startswith("127.")):
        raise cluster.problem("server", "is http://, so anyone on the network could read the user's credentials")


def _proxy(cluster: _Section, server: str) -> Proxy | None:
    try:
        if text := cluster.text("proxy-url"):
            return parse_proxy(text, "proxy-url")
    except InvalidProxy as error:
        raise _Problem(f"{cluster.path}: {cluster.name}: {error}") from None
    return _environment_proxy(server)


def _environment_proxy(server: str) -> Proxy | None:
    try:
        return environment_proxy(server, os.environ)
    except InvalidProxy as error:
        raise _Problem(f"the environment's {error}") from None


def _user(section: _Section, cluster: _Section, server: str, authority: bytes | None) -> User:
    name, password = section.text("username"), section.text("password")
    token, token_file = section.text("token"), section.file("tokenFile")
    if (token or token_file) and (name or password):
        raise section.problem("token", "and username exclude each other")
    provider, plugin = section.mapping("auth-provider"), section.mapping("exec")
    if provider and plugin:
        raise section.problem("auth-provider", "and exec exclude each other")
    if provider and not (token or token_file):
        token = _oidc_token(section, provider)
    certificate, key = section.bytes("client-certificate"), section.bytes("client-key")
    if certificate and not key:
        raise section.problem("client-certificate", "has no client-key")
    if token_file and not token:
        _read(token_file, f"{section.path}: {section.name}: tokenFile")
    return User(
        token=token,
        token_file=token_file,
        basic=(name, password) if name else None,
        identity=certificate + b"\n" + key if certificate and key else None,
        # As in client-go, a plugin is not run if there is a token.
        plugin=_plugin(section, cluster, server, authority) if plugin and not (token or token_file) else None,
    )


def _oidc_token(section: _Section, provider: Mapping[Any, Any]) -> str:
    """The token that kubectl stored; only kubectl renews it, because it also stores the new one."""
    name, config = provider.get("name"), provider.get("config")
    token = config.get("id-token") if isinstance(config, dict) else None
    if name != "oidc":
        plain = _plain(str(name))
        raise section.problem("auth-provider", f"{plain!r} is not supported, as in kubectl; use an exec plugin")
    try:
        claims = json.loads(base64.urlsafe_b64decode(str(token).split(".")[1] + "==="))
        ends = datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, OSError, RecursionError):
        raise section.problem("auth-provider", "has no id-token; run any kubectl command to get one") from None
    if ends <= datetime.now(UTC):
        raise section.problem("auth-provider", "has an expired id-token; run any kubectl command to renew it")
    return str(token)


def _plugin(section: _Section, cluster: _Section, server: str, authority: bytes | None) -> Plugin:
    given = _Section(section.path, f"{section.name}: exec", section.mapping("exec"), _EXEC_KEYS)
    command, version = given.text("command"), given.text("apiVersion")
    mode = given.text("interactiveMode") or ("IfAvailable" if version.endswith("v1beta1") else "")
    if version not in API_VERSIONS:
        raise given.problem("apiVersion", f"must be {' or '.join(API_VERSIONS)}, not {_plain(version)!r}")
    if mode not in INTERACTIVE_MODES:
        raise given.problem(
            "interactiveMode", f"must be {', '.join(INTERACTIVE_MODES[:-1])} or {INTERACTIVE_MODES[-1]}"
        )
    if not command:
        raise given.problem("command", "is missing")
    if os.sep in command:
        command = str(given.file("command"))
    plugin = Plugin(
        command=command,
        arguments=given.texts("args"),
        environment=_environment(given),
        api_version=version,
        mode=mode,
        install_hint=given.text("installHint"),
        cluster=_cluster_information(cluster, server, authority) if given.flag("provideClusterInfo") else None,
    )
    if missing := plugin.missing():
        raise given.problem("command", f"cannot be run: {missing}")
    return plugin


def _environment(given: _Section) -> Mapping[str, str]:
    environment = {}
    listed = given.content.get("env", [])
    for entry in listed if isinstance(listed, list) else [None]:
        name, value = (entry.get("name"), entry.get("value", "")) if isinstance(entry, dict) else (None, None)
        if not isinstance(name, str) or not name or "=" in name or not isinstance(value, str):
            raise given.problem("env", "must be a list of names and values")
        environment[name] = value
    return environment


def _cluster_information(cluster: _Section, server: str, authority: bytes | None) -> Mapping[str, Any]:
    info: dict[str, Any] = {"server": server}
    if name := cluster.text("tls-server-name"):
        info["tls-server-name"] = name
    if cluster.flag("insecure-skip-tls-verify"):
        info["insecure-skip-tls-verify"] = True
    if authority:
        info["certificate-authority-data"] = base64.b64encode(authority).decode()
    if proxy := cluster.text("proxy-url"):
        info["proxy-url"] = proxy
    if cluster.flag("disable-compression"):
        info["disable-compression"] = True
    extensions = cluster.content.get("extensions", [])
    for extension in extensions if isinstance(extensions, list) else []:
        if isinstance(extension, dict) and extension.get("name") == _EXEC_EXTENSION:
            info["config"] = json.loads(json.dumps(extension.get("extension"), default=str))
    return info


def _impersonation(section: _Section | None, given: Impersonation) -> Impersonation:
    configured = NO_IMPERSONATION
    if section:
        extra = {
            str(key): _texts(section, "as-user-extra", values)
            for key, values in section.mapping("as-user-extra").items()
        }
        configured = Impersonation(
            user=section.text("as"), uid=section.text("as-uid"), groups=section.texts("as-groups"), extra=extra
        )
    wanted = configured.overridden_by(given)
    if wanted and not wanted.user:
        if section and configured:
            raise section.problem("as", "is missing, but groups, uid or extra fields of a user need one")
        raise _Problem("--as-group, --as-uid and --as-user-extra need --as")
    return wanted


def _pod_access(impersonation: Impersonation) -> Access:
    # Imported late: only a Pod needs the Kubernetes client, and importing it takes a third of a second.
    from kubernetes.client import Configuration
    from kubernetes.config import ConfigException
    from kubernetes.config.incluster_config import InClusterConfigLoader

    token, authority = SERVICE_ACCOUNT / "token", SERVICE_ACCOUNT / "ca.crt"
    if not _read(token, "token").strip():
        raise _Problem(f"the token file {token} is empty")
    found: Any = Configuration()
    try:
        InClusterConfigLoader(token_filename=str(token), cert_filename=str(authority)).load_and_set(found)
    except (ConfigException, OSError, ValueError) as error:
        raise _Problem(str(error).partition("\n")[0]) from None
    server = str(found.host)
    return Access(
        server=server,
        place=str(SERVICE_ACCOUNT),
        authority=_read(Path(found.ssl_ca_cert), "ca.crt"),
        proxy=_environment_proxy(server),
        user=User(token_file=token),
        impersonation=_impersonation(None, impersonation),
    )
