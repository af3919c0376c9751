"""The proxy for an API server, chosen by Go's rules, as kubectl does.

`proxy-url` of a kubeconfig always applies. A proxy from the environment never applies to localhost and loopback
addresses, nor to the entries of NO_PROXY: addresses, CIDRs, domains with their subdomains, each with or without a port.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

_SCHEMES = {"http": "http", "https": "https", "socks5": "socks5h", "socks5h": "socks5h"}
"""The scheme for urllib3: in Go, a SOCKS5 proxy always resolves names itself."""

_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5h": 1080}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class InvalidProxy(ValueError):
    """A setting is not a valid proxy; the text says which and why, without its password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy, and the setting that it comes from."""

    scheme: str
    host: str
    port: int
    source: str
    """`proxy-url`, or the variable of the environment."""
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """Its address without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def __str__(self) -> str:
        hint = "" if self.source == "proxy-url" else ", NO_PROXY can name hosts that need none"
        return f"the proxy {self.url} of {self.source}{hint}"


def parse_proxy(text: str, source: str) -> Proxy:
    """Parse a setting; without a scheme it is an HTTP proxy. Raises InvalidProxy."""
    text = text.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise InvalidProxy(f"{source} is not the URL of a proxy: {error}") from None
    if parts.scheme not in _SCHEMES:
        known = "http, https, socks5 or socks5h"
        raise InvalidProxy(f"{source} names a proxy of the unknown scheme {parts.scheme[:20]!r}; it must be {known}")
    if not host or any(not letter.isprintable() or letter.isspace() for letter in host):
        raise InvalidProxy(f"{source} is not the URL of a proxy: it names no host")
    scheme = _SCHEMES[parts.scheme]
    return Proxy(
        scheme=scheme,
        host=host,
        port=port or _DEFAULT_PORTS[scheme],
        source=source,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def environment_proxy(server: str, environment: Mapping[str, str]) -> Proxy | None:
    """The environment's proxy for an API server's URL. Raises InvalidProxy."""
    parts = urlsplit(server)
    name = "HTTPS_PROXY" if parts.scheme == "https" else "HTTP_PROXY"
    source, text = _variable(name, environment)
    host = (parts.hostname or "").lower()
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if not text or host == "localhost" or _is_exempt(host, port, _variable("NO_PROXY", environment)[1]):
        return None
    return parse_proxy(text, source)


def _variable(name: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """The name and value of a variable, in upper or else in lower case; an empty one counts as unset."""
    for spelling in (name, name.lower()):
        if environment.get(spelling, "").strip():
            return spelling, environment[spelling]
    return name, ""


def _is_exempt(host: str, port: int, no_proxy: str) -> bool:
    address = _address(host)
    if address and address.is_loopback:
        return True
    entries = [entry.strip().lower() for entry in no_proxy.split(",")]
    return "*" in entries or any(_matches(entry, host, address, port) for entry in entries if entry)


def _matches(entry: str, host: str, address: Address | None, port: int) -> bool:
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, wanted_port = _split_port(entry)
    if wanted_port and wanted_port != str(port):
        return False
    if exempt := _address(name):
        return exempt == address
    name = name.removeprefix("*")
    if not name:
        return False
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _split_port(entry: str) -> tuple[str, str]:
    """Split an entry, `host:port` or `[address]:port`; a bare IPv6 address has no port."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    if entry.count(":") == 1:
        name, _, port = entry.partition(":")
        return name, port
    return entry, ""


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
