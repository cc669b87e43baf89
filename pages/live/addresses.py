"""Where visitors come from, as far as an address can tell: what is counted against the limits of one address.

A class behind one router shares an address, and so does everybody behind a proxy that does not forward it, or that the server
does not trust: uvicorn believes proxies on this machine, and those that FORWARDED_ALLOW_IPS names. A mobile network gives many
people one address, and one person several.
"""

from __future__ import annotations

import hmac
import ipaddress
from functools import lru_cache
from pathlib import Path
from typing import Final

from pages.live.tokens import read_secret

IPV6_PREFIX: Final = 64
"""Bits that a household has in common: within them, each device chooses its addresses itself."""


def network_of(host: str | None) -> str:
    """Returns what stands for a connection's peer: its IPv4 address, the /64 network of its IPv6 address, else the text as it
    is; empty where there is none."""
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return host or ""
    if isinstance(address, ipaddress.IPv6Address):
        if (mapped := address.ipv4_mapped) is not None:
            return str(mapped)
        return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)


@lru_cache(maxsize=4096)
def address_digest(home: Path, host: str | None) -> str:
    """Returns what the store keeps of an address: a digest under the server's own key, from which nobody else can tell the
    address. Empty where there is no address."""
    network = network_of(host)
    return hmac.digest(read_secret(home).encode(), network.encode(), "sha256").hex()[:32] if network else ""
