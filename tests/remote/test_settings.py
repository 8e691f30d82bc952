from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import msgspec
import pytest

from relayfilter import strict_toml
from relayfilter.errors import ConfigError
from relayfilter.remote.settings import Endpoint, FetchSettings, TestingSettings, read_endpoint


class Document(msgspec.Struct, forbid_unknown_fields=True):
    fetch: FetchSettings = FetchSettings()


def load(text: str) -> FetchSettings:
    return strict_toml.load(text, Document, "relayfilter.toml").fetch


def test_defaults_are_safe() -> None:
    settings = load("")
    assert settings == load("[fetch]")
    assert (settings.max_media_bytes, settings.max_document_bytes, settings.max_redirects) == (10 << 20, 1 << 20, 3)
    assert not settings.testing.active
    assert settings.testing.dangers() == []


def test_testing_settings_and_their_dangers(tmp_path: Path) -> None:
    authority = tmp_path / "authority.pem"
    authority.touch()
    settings = load(f"""
        [fetch.testing]
        allow_addresses = ["127.0.0.0/8", "::1/128"]
        allow_ports = [8443]
        ca_file = "{authority}"
        hosts = {{ "a.example" = "127.0.0.1:34567", "b.example" = "[::1]" }}
    """)
    assert settings.testing.networks() == (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    dangers = "\n".join(settings.testing.dangers())
    for named in ("127.0.0.0/8, ::1/128", "8443", str(authority), "a.example, b.example", "reserved names"):
        assert named in dangers


@pytest.mark.parametrize(
    "testing",
    [
        TestingSettings(allow_addresses=("10.0.0.0/8",)),
        TestingSettings(allow_ports=(1,)),
        TestingSettings(hosts={"a": "127.0.0.1"}),
    ],
)
def test_each_hole_alone_is_a_danger(testing: TestingSettings) -> None:
    assert testing.active
    assert len(testing.dangers()) == 2


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("[fetch]\nmax_media_bytes = 0", "$.fetch.max_media_bytes"),
        ("[fetch]\nconcurrency = -1", "$.fetch.concurrency"),
        ("[fetch]\nresolver = 'google'", "$.fetch.resolver"),
        ("[fetch]\nproxy = 'http://a'", "$.fetch.proxy"),
        ("[fetch]\ndocument_timeout = 0", "$.fetch.document_timeout"),
        ("[fetch]\ncontact = 'https://a\\nX: y'", "$.fetch.contact"),
        ('[fetch]\ncontact = "https://a\\nX: y"', "$.fetch.contact"),
        ('[fetch]\ncontact = "https://a\\n"', "$.fetch.contact"),
        ("[fetch.testing]\nallow_addresses = ['127.0.0.1/8']", "$.fetch.testing"),
        ("[fetch.testing]\nallow_addresses = ['loopback']", "$.fetch.testing"),
        ("[fetch.testing]\nallow_ports = [70000]", "$.fetch.testing.allow_ports[0]"),
        ("[fetch.testing]\nca_file = '/no/such/file'", "$.fetch.testing"),
        ("[fetch.testing.hosts]\na = 'localhost:80'", "$.fetch.testing"),
    ],
)
def test_mistakes_are_named(text: str, path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert caught.value.path is not None
    assert caught.value.path.startswith(path)
    assert caught.value.line in (1, 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1", Endpoint("127.0.0.1", 443)),
        ("127.0.0.1:80", Endpoint("127.0.0.1", 80)),
        ("[::1]", Endpoint("::1", 443)),
        ("[0:0::1]:65535", Endpoint("::1", 65535)),
    ],
)
def test_endpoints(text: str, expected: Endpoint) -> None:
    assert read_endpoint(text, 443) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "::1",
        "[::1",
        "127.1",
        "1.2.3.4:80:80",
        "[1.2.3.4]x",
    ],
)
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(ValueError):
        read_endpoint(text, 443)
