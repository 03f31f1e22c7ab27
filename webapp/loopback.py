"""Whether an address is this machine's own, which nobody else reaches."""

from __future__ import annotations

import ipaddress


def is_loopback(address: str) -> bool:
    """Of a number; False for a name, whatever it may lead to."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
