"""Which proxy leads to an API server: Go's rules, because kubectl's way is theirs."""

import pytest

from remediator.core.proxies import InvalidProxy, Proxy, environment_proxy, parse_proxy

SERVER = "https://api.example:6443"


def proxy(server: str = SERVER, **environment: str) -> Proxy | None:
    """The proxy that this environment names for a server."""
    return environment_proxy(server, environment)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("proxy:3128", "http://proxy:3128"),
        ("proxy", "http://proxy:80"),
        ("https://proxy", "https://proxy:443"),
        ("socks5://proxy", "socks5h://proxy:1080"),
        ("socks5h://proxy:9", "socks5h://proxy:9"),
        ("HTTP://proxy:3128/path", "http://proxy:3128"),
        ("[fd00::1]:3128", "http://[fd00::1]:3128"),
        (" proxy:3128\n", "http://proxy:3128"),
    ],
)
def test_a_proxy_is_written_in_many_ways(text: str, url: str) -> None:
    """Without a scheme it is an HTTP proxy, and a SOCKS proxy resolves the names."""
    assert parse_proxy(text, "proxy-url").url == url


@pytest.mark.parametrize(
    "text", ["ftp://proxy", "socks4://proxy", "http://", "http://:3128", "http://proxy:port", "a b"]
)
def test_what_names_no_proxy_is_refused(text: str) -> None:
    """The error names the setting."""
    with pytest.raises(InvalidProxy, match="HTTPS_PROXY"):
        parse_proxy(text, "HTTPS_PROXY")


def test_credentials_of_a_proxy_are_decoded_and_not_shown() -> None:
    """Messages have the proxy's address, without the password."""
    found = parse_proxy("http://ada:p%40ss@proxy:3128", "HTTPS_PROXY")
    assert (found.username, found.password) == ("ada", "p@ss")
    assert "p@ss" not in f"{found} {found!r}"
    assert str(found).startswith("the proxy http://proxy:3128 of HTTPS_PROXY")
    assert "NO_PROXY" in str(found)


@pytest.mark.parametrize(
    "server",
    [
        *("http://localhost:8001", "https://LOCALHOST", "https://127.0.0.1:6443", "https://127.8.9.1"),
        *("https://[::1]:6443", "https://[::ffff:127.0.0.1]"),
    ],
)
def test_loopback_needs_no_proxy(server: str) -> None:
    """Whatever the environment says, this machine is reached directly."""
    assert proxy(server, HTTPS_PROXY="http://proxy:1", HTTP_PROXY="http://proxy:1") is None


@pytest.mark.parametrize(
    ("no_proxy", "server"),
    [
        ("api.example", SERVER),
        ("example", SERVER),
        (".example", SERVER),
        ("*.example", SERVER),
        ("API.Example", SERVER),
        ("api.example:6443", SERVER),
        ("other, api.example ,", SERVER),
        ("*", SERVER),
        ("other,*", SERVER),
        ("10.1.2.3", "https://10.1.2.3"),
        ("10.0.0.0/8", "https://10.1.2.3"),
        ("10.1.2.3/8", "https://10.1.2.3"),
        ("10.1.2.3:443", "https://10.1.2.3"),
        ("fd00::/8", "https://[fd00::1]:6443"),
        ("fd00:0::1", "https://[fd00::1]:6443"),
        ("[fd00::1]:6443", "https://[fd00::1]:6443"),
        ("10.1.2.3", "https://[::ffff:10.1.2.3]"),
    ],
)
def test_what_no_proxy_names_is_reached_directly(no_proxy: str, server: str) -> None:
    """Addresses, networks, domains with what is under them, with a port or without."""
    assert proxy(server, HTTPS_PROXY="http://proxy:1", NO_PROXY=no_proxy) is None
    assert proxy(server, https_proxy="http://proxy:1", no_proxy=no_proxy) is None


@pytest.mark.parametrize(
    ("no_proxy", "server"),
    [
        ("", SERVER),
        ("pi.example", SERVER),
        (".api.example", SERVER),
        ("*.api.example", SERVER),
        ("api.example:443", SERVER),
        ("api.*", SERVER),
        ("**", SERVER),
        (":6443", SERVER),
        ("10.0.0.0/33", "https://10.1.2.3"),
        ("10.1.2", "https://10.1.2.3"),
        ("11.0.0.0/8", "https://10.1.2.3"),
        ("10.1.2.3:6443", "https://10.1.2.3"),
        ("10.0.0.0/8", SERVER),
    ],
)
def test_what_no_proxy_does_not_name_goes_through_the_proxy(no_proxy: str, server: str) -> None:
    """A part of a name, another port or another network is something else."""
    assert proxy(server, HTTPS_PROXY="http://proxy:1", NO_PROXY=no_proxy)


def test_each_scheme_has_its_variable() -> None:
    """HTTPS_PROXY is for https, HTTP_PROXY for http, capitals go first, and an empty variable is none."""
    assert proxy(HTTP_PROXY="http://proxy:1") is None
    assert proxy("http://api.example", HTTPS_PROXY="http://proxy:1") is None
    assert proxy(ALL_PROXY="http://proxy:1") is None
    assert proxy(HTTPS_PROXY="") is None
    assert proxy(HTTPS_PROXY=" ") is None
    found = proxy(HTTPS_PROXY="http://one:1", https_proxy="http://two:1")
    assert found
    assert (found.host, found.source) == ("one", "HTTPS_PROXY")
    found = proxy(HTTPS_PROXY="", https_proxy="http://two:1")
    assert found
    assert (found.host, found.source) == ("two", "https_proxy")
