"""Which addresses may be called for somebody who names a server: no way into the network that we stand in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

Address = IPv4Address | IPv6Address

# What tells a machine in a cloud its keys. Most clouds use an address of the link, which is refused anyway.
METADATA = frozenset(map(ip_address, ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254")))
# Ways of IPv6 to write an IPv4 address, with the bits behind it.
EMBEDDING = ((ip_network("::ffff:0:0/96"), 0), (ip_network("64:ff9b::/96"), 0), (ip_network("2002::/16"), 80))
ALL_PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a call may go: into private networks and this machine, or to public addresses only.

    `hosts` may be called whatever they are, each as HOST or HOST:PORT. What gives keys to machines in clouds, and
    whatever else is an address of a link, needs to be among them.
    """

    private: bool = True
    hosts: tuple[str, ...] = ()

    def allows(self, host: str, port: int, address: str) -> bool:
        """Whether `host` may be called at an address that its name stands for."""
        name = host.lower().strip("[]").rstrip(".")
        if {name, f"{name}:{port}"} & {*self.hosts}:
            return True
        found = plain_address(address)
        if found in METADATA or found.is_link_local or found.is_multicast:
            return False
        # Python takes the old addresses of a site for public ones.
        is_site = isinstance(found, IPv6Address) and found.is_site_local
        return self.private or (found.is_global and not is_site)

    def to_json(self) -> dict[str, Any]:
        return {"private": self.private, "hosts": list(self.hosts)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Reach":
        return cls(bool(stored["private"]), tuple(map(str, stored["hosts"])))


def studio_reach(is_open: bool, allowed: Sequence[str] = ()) -> Reach:
    """How far calls from a page go: where others can open it, into private networks only as `allowed`."""
    hosts = tuple(host.lower() for host in allowed)
    return Reach(not is_open or ALL_PRIVATE in hosts, hosts)


def plain_address(address: str) -> Address:
    """An address without its zone; where it stands for one of IPv4, that one."""
    found = ip_address(address.partition("%")[0])
    for network, behind in EMBEDDING:
        if found in network:
            return IPv4Address(int(found) >> behind & 0xFFFFFFFF)
    return found
