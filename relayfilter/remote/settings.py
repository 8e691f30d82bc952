"""What the fetch process may do: the TOML table [fetch].

Memory: each picture is held whole while it is fetched and until its worker has it, so the process needs at most
`concurrency` times `max_media_bytes` (doubled for the moment in which the parts are joined), and `concurrency` times
`max_document_bytes` for documents, on top of what it needs at rest.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal

import msgspec

IPNetwork = IPv4Network | IPv6Network
Positive = Annotated[int, msgspec.Meta(gt=0)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=120)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]

_ENDPOINT = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<v4>[0-9.]+))(?::(?P<port>[1-9][0-9]{0,4}))?")


class Endpoint(msgspec.Struct, frozen=True):
    """Where to connect: the text of an IP address, and a port."""

    address: str
    port: int


def read_endpoint(text: str, port: int) -> Endpoint:
    """`192.0.2.1`, `192.0.2.1:8443`, `[2001:db8::1]` or `[2001:db8::1]:8443`; `port` when none is written.

    Raises ValueError for anything else."""
    match = _ENDPOINT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an address with an optional port, such as 127.0.0.1:8443")
    written = int(match["port"] or port)
    if written > 65535:
        raise ValueError(f"{text!r} has no valid port")
    return Endpoint(str(ip_address(match["v6"] or match["v4"])), written)


class TestingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Holes for tests and demonstrations. Any of them also admits reserved names such as `a.test`.

    `allow_addresses`: networks that are reachable although they are not public, also by literal address;
    `allow_ports`: besides 80 and 443; `ca_file`: a PEM file that replaces the public certificate authorities;
    `hosts`: name = "address[:port]", instead of a look-up.
    """

    allow_addresses: tuple[str, ...] = ()
    allow_ports: tuple[Port, ...] = ()
    ca_file: str | None = None
    hosts: dict[str, str] = {}

    def __post_init__(self) -> None:
        self.networks()
        for endpoint in self.hosts.values():
            read_endpoint(endpoint, 443)
        if self.ca_file is not None and not Path(self.ca_file).is_file():
            raise ValueError(f"there is no file {self.ca_file!r}")

    @property
    def active(self) -> bool:
        return bool(self.allow_addresses or self.allow_ports or self.ca_file or self.hosts)

    def networks(self) -> tuple[IPNetwork, ...]:
        return tuple(ip_network(text) for text in self.allow_addresses)

    def dangers(self) -> list[str]:
        """One sentence for each thing that must not stand in a real installation's configuration."""
        dangers = []
        if self.allow_addresses:
            dangers.append(f"URLs of strangers may reach {', '.join(self.allow_addresses)} (allow_addresses)")
        if self.allow_ports:
            ports = ", ".join(str(port) for port in self.allow_ports)
            dangers.append(f"URLs of strangers may name the ports {ports} (allow_ports)")
        if self.ca_file:
            dangers.append(f"{self.ca_file} alone decides which servers are genuine (ca_file)")
        if self.hosts:
            dangers.append(f"{', '.join(sorted(self.hosts))}: not looked up, but set by hand (hosts)")
        if self.active:
            dangers.append("reserved names such as a.test or a.localhost are looked up like any other")
        return dangers


class FetchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds on what is fetched from strangers.

    Sizes in bytes, times in seconds. `document_timeout` caps what a question for a document may ask; `concurrency` is
    how many documents, and how many media, are fetched at a time, `per_host` how many of each from one host.
    A body must bring `min_rate` bytes a second on average, the first `slow_after` seconds excepted. `resolver`: `dns`
    asks the name servers of resolv.conf without blocking, `system` the C library (nsswitch, at most 40 look-ups at a
    time). `contact` is the URL in the User-Agent, by which other admins know whom to ask.
    """

    max_media_bytes: Positive = 10 * 1024 * 1024
    max_document_bytes: Positive = 1024 * 1024
    document_timeout: Seconds = 8.0
    max_redirects: Annotated[int, msgspec.Meta(ge=0, le=10)] = 3
    concurrency: Positive = 32
    per_host: Positive = 4
    slow_after: Seconds = 3.0
    min_rate: Positive = 1024
    resolver: Literal["dns", "system"] = "dns"
    contact: Annotated[str, msgspec.Meta(pattern=r"\A(https?://[!-~]+)?\Z")] = ""
    testing: TestingSettings = TestingSettings()
