"""Addresses to listen on: both families where there are both, and none by accident."""

import socket
from collections.abc import Callable

import pytest

from remediator.web.listeners import CannotServe, format_client, listening


def answers(listener: socket.socket, host: str) -> bool:
    """Whether a client of this address gets a connection."""
    try:
        socket.create_connection((host, listener.getsockname()[1]), timeout=5).close()
    except OSError:
        return False
    return True


has_ipv6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this kernel has no IPv6")


@pytest.mark.parametrize(
    ("address", "by_ipv4", "by_ipv6"),
    [
        pytest.param(":0", True, True, marks=has_ipv6),
        pytest.param("[::]:0", True, True, marks=has_ipv6),
        pytest.param("[0:0:0:0:0:0:0:0]:0", True, True, marks=has_ipv6),
        pytest.param("[::1]:0", False, True, marks=has_ipv6),
        ("0.0.0.0:0", True, False),
        ("127.0.0.1:0", True, False),
    ],
)
def test_an_address_means_what_it_means_in_go(address: str, by_ipv4: bool, by_ipv6: bool) -> None:
    """No host, or IPv6's for all, takes both families; every other address takes what it names."""
    with listening(address) as listener:
        assert (answers(listener, "127.0.0.1"), answers(listener, "::1")) == (by_ipv4, by_ipv6)


@pytest.mark.parametrize("missing", ["has_ipv6", "refuses"])
def test_a_kernel_without_ipv6_listens_on_ipv4(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Where IPv6 was not built in, or is switched off at the boot, `:PORT` is every IPv4 address."""
    real: Callable[..., socket.socket] = socket.create_server

    def refuse(address: tuple[str, int], **settings: object) -> socket.socket:
        if settings.get("family") == socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        return real(address, **settings)

    if missing == "has_ipv6":
        monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    else:
        monkeypatch.setattr(socket, "create_server", refuse)
    with listening(":0") as listener:
        assert listener.family == socket.AF_INET
        assert answers(listener, "127.0.0.1")


@pytest.mark.parametrize(
    "address", ["nonsense", "8080", "::1:8080", "[::1:8080", "::1]:8080", "[]:8080", ":99999", ":٣", ":-1", "a:b:1", ""]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    """A slip is an error with the right forms in it, and never another address."""
    with pytest.raises(CannotServe, match=r"write HOST:PORT, \[IPv6\]:PORT or :PORT"), listening(address):
        pass


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (("10.0.3.4", 1234), "10.0.3.4"),
        (("::ffff:10.0.3.4", 1234, 0, 0), "10.0.3.4"),
        (("2001:db8::1", 1234, 0, 0), "2001:db8::1"),
        (("::ffff:a00:304", 1234, 0, 0), "::ffff:a00:304"),
        (None, ""),
    ],
)
def test_a_client_is_shown_by_its_address(address: object, shown: str) -> None:
    """Without its port; and one by IPv4 as everybody writes it, also where the socket is for both."""
    assert format_client(address) == shown
