"""The addresses of this machine, under which it may be called when it listens on all of them."""

import psutil


def own_addresses() -> tuple[str, ...]:
    """Addresses of all network interfaces, IPv4 and IPv6, in lower case and without a zone."""
    found = {
        address.address.partition("%")[0].lower()
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family.name in ("AF_INET", "AF_INET6")
    }
    return tuple(sorted(found))
