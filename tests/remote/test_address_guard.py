from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest

from relayfilter.remote.address_guard import AddressRefused, check_address

PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "192.0.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"]

FORBIDDEN_IPV4 = [
    *("0.0.0.0", "0.0.0.1", "0.255.255.255"),
    *("10.0.0.0", "10.255.255.255"),
    *("100.64.0.1", "100.100.100.200", "100.127.255.255"),
    *("127.0.0.1", "127.1.2.3", "127.255.255.255"),
    "168.63.129.16",
    *("169.254.0.1", "169.254.169.254", "169.254.170.2"),
    *("172.16.0.1", "172.31.255.255"),
    *("192.0.0.1", "192.0.0.9", "192.0.0.170", "192.0.0.192"),
    *("192.0.2.1", "198.51.100.1", "203.0.113.1"),
    *("192.31.196.1", "192.52.193.1", "192.175.48.1"),
    "192.88.99.1",
    *("192.168.0.1", "192.168.255.255"),
    *("198.18.0.1", "198.19.255.255"),
    *("224.0.0.1", "239.255.255.255"),
    *("240.0.0.1", "255.255.255.254", "255.255.255.255"),
]

FORBIDDEN_IPV6 = [
    *("::", "::1", "::2", "::7f00:1", "::127.0.0.1", "::8.8.8.8"),
    *("::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8"),
    *("64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "64:ff9b:1:ffff::8.8.8.8"),
    *("100::1", "100:0:0:1::1"),
    *("2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1", "2001:1ff::1"),
    "2001:db8::1",
    *("2002:7f00:1::", "2002:808:808::1", "2002:a00:1::1"),
    "2620:4f:8000::1",
    *("3fff::1", "3fff:fff::1"),
    *("4000::1", "5f00::1", "8000::1", "a000::1", "e000::1"),
    *("fc00::1", "fd00:ec2::254", "fd20:ce::254", "fdff::1"),
    *("fe80::1", "febf::1", "fec0::1", "feff::1"),
    *("ff00::1", "ff02::1", "ff0e::1"),
    *("2a00::5efe:7f00:1", "2a00::5efe:8.8.8.8", "2606:4700::200:5efe:10.0.0.1"),
]

NO_ADDRESS = [
    *("", " ", "localhost", "1", "127.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1.", "127.0.0"),
    *(
        "256.1.1.1",
        "1.1.1.1.1",
        "8.8.8.8/32",
        "8.8.8.8:80",
        "[2a00::1]",
        "2a00:::1",
        "٨.8.8.8",
        "8.8.8.8\n",
        " 8.8.8.8",
    ),
]


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_may_be_reached(text: str) -> None:
    assert isinstance(check_address(text), IPv4Address | IPv6Address)


@pytest.mark.parametrize("text", [*FORBIDDEN_IPV4, *FORBIDDEN_IPV6])
def test_no_special_address_may_be_reached(text: str) -> None:
    assert isinstance(check_address(text), AddressRefused)


@pytest.mark.parametrize("text", FORBIDDEN_IPV4)
@pytest.mark.parametrize("form", ["::ffff:{}", "0:0:0:0:0:ffff:{}", "::FFFF:{}"])
def test_ipv4_mapped_is_the_ipv4_address(form: str, text: str) -> None:
    assert isinstance(check_address(form.format(text)), AddressRefused)


def test_ipv4_mapped_public_is_connected_as_ipv4() -> None:
    assert check_address("::ffff:8.8.8.8") == IPv4Address("8.8.8.8")


@pytest.mark.parametrize("text", NO_ADDRESS)
def test_only_the_plain_spelling_is_an_address(text: str) -> None:
    assert isinstance(check_address(text), AddressRefused)


@pytest.mark.parametrize("text", ["fe80::1%eth0", "2a00::1%lo", "2a00::1%25lo", "8.8.8.8%1"])
def test_zones_are_refused_even_where_allowed(text: str) -> None:
    assert isinstance(check_address(text, (ip_network("::/0"), ip_network("0.0.0.0/0"))), AddressRefused)


def test_allowed_networks_are_the_only_exception() -> None:
    loopback = (ip_network("127.0.0.0/8"),)
    assert check_address("127.0.0.1", loopback) == IPv4Address("127.0.0.1")
    assert check_address("::ffff:127.0.0.1", loopback) == IPv4Address("127.0.0.1")
    for text in ("::1", "10.0.0.1", "169.254.169.254", "2002:7f00:1::"):
        assert isinstance(check_address(text, loopback), AddressRefused)


def test_the_reason_is_printable_whatever_the_text() -> None:
    refused = check_address("\x1b[31m\u202e" + "x" * 1000)
    assert isinstance(refused, AddressRefused)
    assert refused.detail.isascii()
    assert refused.detail.isprintable()
    assert len(refused.detail) < 600
