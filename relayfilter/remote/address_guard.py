"""Which addresses a stranger may send us to: public unicast, and nothing that leads elsewhere from there.

IPv6 is judged by what it may be (2000::/3, the only global unicast space that IANA hands out, RFC 4291 and the IANA
registry), minus the special ranges inside it; IPv4 by the registry of special-purpose addresses (RFC 6890 and its
successors). What embeds an IPv4 address is refused as a whole (6to4, Teredo, NAT64, ISATAP), because a relay and not we
decides where it comes out; only an IPv4-mapped address means the IPv4 address itself, and is judged as such.

`ipaddress.is_global` alone is wrong for a dozen of these ranges on Python 3.11. It is asked last, as a second opinion.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import msgspec

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network


class AddressRefused(msgspec.Struct, frozen=True):
    """The address is not one that a stranger may name; `detail` says which and why, in printable ASCII."""

    detail: str


_GLOBAL_UNICAST = IPv6Network("2000::/3")

_SPECIAL_IPV4 = {
    IPv4Network(network): name
    for network, name in {
        "0.0.0.0/8": "this network",
        "10.0.0.0/8": "private use",
        "100.64.0.0/10": "shared address space",
        "127.0.0.0/8": "loopback",
        "168.63.129.16/32": "the platform address of a cloud",
        "169.254.0.0/16": "link local",
        "172.16.0.0/12": "private use",
        "192.0.0.0/24": "IETF protocol assignments",
        "192.0.2.0/24": "documentation",
        "192.31.196.0/24": "AS112",
        "192.52.193.0/24": "AMT",
        "192.88.99.0/24": "6to4 relays",
        "192.168.0.0/16": "private use",
        "192.175.48.0/24": "AS112",
        "198.18.0.0/15": "benchmarking",
        "198.51.100.0/24": "documentation",
        "203.0.113.0/24": "documentation",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved and broadcast",
    }.items()
}
_SPECIAL_IPV6 = {
    IPv6Network(network): name
    for network, name in {
        "2001::/23": "IETF protocol assignments, Teredo, ORCHID",
        "2001:db8::/32": "documentation",
        "2002::/16": "6to4",
        "2620:4f:8000::/48": "AS112",
        "3fff::/20": "documentation",
    }.items()
}
# RFC 5214 section 6.1: the interface identifier of an ISATAP address, with and without the universal bit.
_ISATAP = (0x00005EFE, 0x02005EFE)


def check_address(text: str, allowed: tuple[IPNetwork, ...] = ()) -> IPAddress | AddressRefused:
    """The address to connect to, or why not. Whatever lies in `allowed` passes (settings for tests)."""
    if "%" in text:
        return AddressRefused(f"{text[:64]!a} has a zone")
    try:
        address = ip_address(text)
    except ValueError:
        return AddressRefused(f"{text[:64]!a} is not an address")
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return check_address(str(address.ipv4_mapped), allowed)
    if any(address in network for network in allowed):
        return address
    special = _special_ipv4(address) if isinstance(address, IPv4Address) else _special_ipv6(address)
    if special is None and not address.is_global:
        special = "not global"
    return address if special is None else AddressRefused(f"{address} ({special})")


def _special_ipv4(address: IPv4Address) -> str | None:
    return next((name for network, name in _SPECIAL_IPV4.items() if address in network), None)


def _special_ipv6(address: IPv6Address) -> str | None:
    if address not in _GLOBAL_UNICAST:
        return "outside global unicast, 2000::/3"
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return "ISATAP"
    return next((name for network, name in _SPECIAL_IPV6.items() if address in network), None)
