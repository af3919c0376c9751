"""Connection pools to a server, directly or through a proxy."""

import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import urllib3

from remediator.core.proxies import Proxy


def open_pool(
    proxy: Proxy | None,
    *,
    context: ssl.SSLContext | None,
    connect_headers: Mapping[str, Sequence[str]] | None = None,
    **settings: Any,
) -> urllib3.PoolManager:
    """A pool manager, with or without a proxy; `connect_headers` are sent to an HTTP proxy."""
    settings |= {"retries": False, "ssl_context": context}
    if proxy is None:
        return urllib3.PoolManager(**settings)
    if proxy.scheme == "socks5h":
        from urllib3.contrib.socks import SOCKSProxyManager  # Imported late: few use SOCKS.

        username = proxy.username or None
        return SOCKSProxyManager(proxy.url, username, proxy.password if username else None, **settings)
    login = f"{proxy.username}:{proxy.password}" if proxy.username else None
    headers = urllib3.HTTPHeaderDict(urllib3.make_headers(proxy_basic_auth=login))
    for name, values in (connect_headers or {}).items():
        for value in values:
            headers.add(name, value)
    return urllib3.ProxyManager(proxy.url, proxy_headers=headers, proxy_ssl_context=context, **settings)
