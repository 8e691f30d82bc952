from __future__ import annotations

from ipaddress import ip_network

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relayfilter.remote.url import MAX_LENGTH, Url, UrlRefused, UrlRules, read_redirect, read_url

RULES = UrlRules()

READ = {
    "https://a.org": ("https", "a.org", 443, "/"),
    "https://a.org/": ("https", "a.org", 443, "/"),
    "HTTPS://A.Org/Path": ("https", "a.org", 443, "/Path"),
    "http://a.org:80/x": ("http", "a.org", 80, "/x"),
    "http://a.org:443/x": ("http", "a.org", 443, "/x"),
    "https://a.org./x": ("https", "a.org", 443, "/x"),
    "https://a.org?q=1": ("https", "a.org", 443, "/?q=1"),
    "https://a.org/x?u=http://10.0.0.1/@b#frag/../x": ("https", "a.org", 443, "/x?u=http://10.0.0.1/@b"),
    "https://a.org/%7Euser/%zz": ("https", "a.org", 443, "/%7Euser/%zz"),
    "https://a.org/é/猫.png?ü": ("https", "a.org", 443, "/%C3%A9/%E7%8C%AB.png?%C3%BC"),
    "https://a.org/a|b^c{d}`": ("https", "a.org", 443, "/a%7Cb%5Ec%7Bd%7D%60"),
    "https://a.org/...": ("https", "a.org", 443, "/..."),
    "https://a.org//x": ("https", "a.org", 443, "//x"),
    "https://r3---sn-ab.video.org/": ("https", "r3---sn-ab.video.org", 443, "/"),
    "https://bücher.de/": ("https", "xn--bcher-kva.de", 443, "/"),
    "https://BÜCHER.de/": ("https", "xn--bcher-kva.de", 443, "/"),
    "https://xn--bcher-kva.de/": ("https", "xn--bcher-kva.de", 443, "/"),
    "https://faß.de/": ("https", "xn--fa-hia.de", 443, "/"),
    "https://xn--i-7iq.ws/": ("https", "xn--i-7iq.ws", 443, "/"),
    "https://例え.jp/": ("https", "xn--r8jz45g.jp", 443, "/"),
}

REFUSED = {
    "scheme": [
        *("ftp://a.org/", "file:///etc/passwd", "gopher://a.org/", "data:image/png;base64,AA==", "javascript:alert(1)"),
        *(
            "dict://a.org/",
            "ldap://a.org/",
            "jar:http://a.org!/",
            "ws://a.org/",
            "http+unix://a.org/",
            "HTTPS+x://a.org/",
        ),
    ],
    "shape": [
        "",
        "/",
        "a.org",
        "//a.org/",
        "https:/a.org",
        "https:a.org",
        "https:///a.org",
        "https://",
        "://a.org",
        "http:\\\\a.org",
    ],
    "userinfo": [
        *("https://user@a.org/", "https://user:pw@a.org/", "https://a.org@10.0.0.1/", "https://a.org:443@b.org/"),
        *("https://@a.org/", "https://a.org%40b.org@c.org/", "https://a.org:@b.org/", "https://b.org&@a.org/"),
    ],
    "port": [
        *("https://a.org:22/", "https://a.org:8443/", "http://a.org:6379/", "https://a.org:0/", "https://a.org:65979/"),
        *(
            "https://a.org:/",
            "https://a.org:0443/",
            "https://a.org:443:80/",
            "https://a.org:+443/",
            "https://a.org:４４３/",
        ),
        *("https://a.org:-1/", "https://a.org:443x/", "https://a.org:99999999999/"),
    ],
    "ipv4": [
        *(
            "http://127.0.0.1/",
            "http://8.8.8.8/",
            "http://127.1/",
            "http://127.0.1/",
            "http://0/",
            "http://2130706433/",
        ),
        *("http://0x7f000001/", "http://0x7f.0.0.1/", "http://0x7f.1/", "http://0177.0.0.1/", "http://017700000001/"),
        *("http://127.0.0.1./", "http://127.0.0.0x1/", "http://a.org.0x7f/", "http://a.1/", "http://1.2.3.4.5/"),
        *("http://00000177.00000000.0.1/", "http://127.0.0.1.1/", "http://256.256.256.256/", "http://4294967297/"),
        *(
            "http://①②⑦.⓪.⓪.①/",
            "http://１２７.０.０.１/",
            "http://127。0。0。1/",
            "http://[127.0.0.1]/",
            "http://0x/",
            "http://a.0x/",
        ),
    ],
    "ipv6": [
        *(
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[0:0:0:0:0:0:0:1]/",
        ),
        *(
            "http://[2606:4700::1111]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[fe80::1%25eth0]/",
            "http://[fe80::1%eth0]/",
        ),
        *(
            "http://[::1",
            "http://::1/",
            "http://[]/",
            "http://[::1]a.org/",
            "http://a.org[::1]/",
            "http://[v1.x]/",
            "http://[a.org]/",
        ),
    ],
    "name": [
        *("http://a/", "http://localhost/", "http://.a.org/", "http://a..org/", "http://a.org../", "http://-a.org/"),
        *("http://a-.org/", "http://a_b.org/", "http://a.org,b.org/", "http://a.org;b.org/", "http://a%2eorg/"),
        *("http://a.org%2f@b/", "http://a.org%00.b.org/", "http://*.a.org/", "http://a.o/", f"http://{'a' * 64}.org/"),
        *(f"http://{'a.' * 130}org/", "http://$a.org/", "http://a!.org/", "http://(a).org/", "http://a.org~/"),
    ],
    "reserved": [
        *("http://a.local/", "http://a.localhost/", "http://a.internal/", "http://metadata.google.internal/"),
        *(
            "http://a.test/",
            "http://a.example/",
            "http://a.invalid/",
            "http://a.onion/",
            "http://1.0.0.127.in-addr.arpa/",
        ),
        *(
            "http://a.home.arpa/",
            "http://a.lan/",
            "http://a.home/",
            "http://a.corp/",
            "http://a.LOCAL./",
            "http://a.alt/",
        ),
        *("http://localhost.localdomain/", "http://a.intranet/", "http://a.private/"),
    ],
    "characters": [
        *(
            "https://a.org\\@b.org/",
            "https://a.org\\.b.org/",
            "https:\\\\a.org/",
            "https://a.org/\\x",
            "https://a.org\t/",
        ),
        *(" https://a.org/", "https://a.org/ ", "https://a.org/a b", "https://a.org\n.b.org/", "ht\ntps://a.org/"),
        *(
            "https://a.org/\r\nHost: b",
            "https://a.org/\0",
            "https://a.org/\x7f",
            "https://a.org/\x85",
            "https://a.org/\xa0",
        ),
        *(
            "https://a.org/<x>",
            'https://a.org/"',
            "https://a.org/\u202egnp.x",
            "https://a.org/\u2066",
            "https://a\u200b.org/",
        ),
        *(
            "https://a\u00ad.org/",
            "https://a.org/\ufeff",
            "https://a.org/\u2028",
            "https://a.org/\ud800",
            "https://a\u3000.org/",
        ),
    ],
    "look-alikes": [
        *(
            "https://ａ.org/",
            "https://ⓐ.org/",
            "https://a。org/",
            "https://a．org/",
            "https://a｡org/",
            "https://ℯxample.org/",
        ),
        *(
            "https://a.org／b.org/",
            "https://a.org＠b.org/",
            "https://a.org：80/",
            "https://a.org＃b.org/",
            "https://a.org？b/",
        ),
        *(
            "https://ﬁ.org/",
            "https://\u212a.org/",
            "https://㍿.org/",
            "https://a℀.org/",
            "https://a.org⁄b/",
            "https://½.org/",
        ),
        *("https://Ａ.org/", "https://a․org/", "https://a‥org/", "https://e\u0301.org/"),
    ],
    "idna": [
        *(
            "https://xn--/",
            "https://xn--a.org/",
            "https://xn--abc-.org/",
            "https://xn--localhost-.org/",
            "https://xn--99999999999.org/",
        ),
        *(
            "https://xn--bcher-KVA9999999.de/",
            "https://a.xn--/",
            "https://\u0301a.org/",
            "https://xn--ls8h=.org/",
            "https://xn--a-ecp.ru/",
        ),
    ],
    "dot segments": [
        *(
            "https://a.org/../x",
            "https://a.org/./x",
            "https://a.org/x/..",
            "https://a.org/x/.",
            "https://a.org/%2e%2e/x",
        ),
        *("https://a.org/.%2E/x", "https://a.org/x/%2e", "https://a.org/..?q"),
    ],
}


@pytest.mark.parametrize(("text", "expected"), READ.items())
def test_what_is_read(text: str, expected: tuple[str, str, int, str]) -> None:
    assert read_url(text, RULES) == Url(*expected)


@pytest.mark.parametrize(("family", "text"), [(family, text) for family, texts in REFUSED.items() for text in texts])
def test_what_is_refused(family: str, text: str) -> None:
    read = read_url(text, RULES)
    assert isinstance(read, UrlRefused), family
    assert read.detail.isascii()
    assert read.detail.isprintable()


@pytest.mark.parametrize("text", READ)
def test_what_was_read_reads_as_itself(text: str) -> None:
    read = read_url(text, RULES)
    assert read_url(str(read), RULES) == read


def test_length_is_bounded() -> None:
    start = "https://a.org/"
    assert isinstance(read_url(start + "x" * (MAX_LENGTH - len(start)), RULES), Url)
    assert isinstance(read_url(start + "x" * (MAX_LENGTH - len(start) + 1), RULES), UrlRefused)


def test_tests_may_use_reserved_names_ports_and_addresses() -> None:
    rules = UrlRules(ports=frozenset({443, 8443}), special_use_names=True, addresses=(ip_network("127.0.0.0/8"),))
    assert read_url("https://a.test/", rules) == Url("https", "a.test", 443, "/")
    assert read_url("https://127.0.0.1:8443/", rules) == Url("https", "127.0.0.1", 8443, "/")
    for text in ("https://10.0.0.1/", "https://[::1]/", "https://2130706433/", "https://127.1/", "http://a.test/"):
        assert isinstance(read_url(text, rules), UrlRefused)


BASE = Url("https", "a.org", 443, "/dir/page?q=1")

REDIRECTS = {
    "https://b.org/x": "https://b.org/x",
    "//b.org/x": "https://b.org/x",
    "/x": "https://a.org/x",
    "x": "https://a.org/dir/x",
    "../x": "https://a.org/x",
    "?q=2": "https://a.org/dir/page?q=2",
    "é": "https://a.org/dir/%C3%A9",
    "http://b.org/": "http://b.org/",
}

REFUSED_REDIRECTS = [
    *(
        "http://127.0.0.1/",
        "//127.0.0.1/",
        "///127.0.0.1/",
        "////b.org",
        "https:/b.org",
        "https:b.org",
        "https:",
        "file:///x",
    ),
    *("\\\\b.org", "/\\b.org", "//user@b.org/", "/\t/b.org", " //b.org", "javascript:1", "//b.org:22/", "//localhost/"),
    *("//[::1]/", "//b.org\\@a.org", "/%2e%2e/x", "http://a.org:8080/", "x:y"),
]


@pytest.mark.parametrize(("location", "expected"), REDIRECTS.items())
def test_where_redirects_lead(location: str, expected: str) -> None:
    assert str(read_redirect(BASE, location, RULES)) == expected


@pytest.mark.parametrize("location", REFUSED_REDIRECTS)
def test_where_redirects_must_not_lead(location: str) -> None:
    assert isinstance(read_redirect(BASE, location, RULES), UrlRefused)


@pytest.mark.parametrize("location", ["x//b.org", ".//b.org/", "/.//b.org/x", "..//b.org", "?//b.org", "#//b.org"])
def test_a_relative_redirect_stays_on_its_host(location: str) -> None:
    read = read_redirect(BASE, location, RULES)
    assert isinstance(read, UrlRefused) or read.host == "a.org"


PIECES = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        ["https://", "http:", "//", "/", "\\", "@", ":", "443", "[", "]", "::1", "127.0.0.1", "0x7f", ".", "..", "%2e"]
    ),
    st.sampled_from(["xn--", "xn--i-7iq", "a", "org", "bücher", "ß", "?", "#", "\u3002", "\u200d", "local", "-", "_"]),
)


@settings(deadline=None)
@given(st.lists(PIECES, max_size=10).map("".join), st.booleans())
def test_any_text_is_read_once_and_for_all_or_refused(text: str, absolute: bool) -> None:
    read = read_url(f"https://{text}" if absolute else text, RULES)
    if isinstance(read, UrlRefused):
        assert read.detail.isascii()
        assert read.detail.isprintable()
    else:
        assert read_url(str(read), RULES) == read
        asked = httpx.Request("GET", str(read), headers={"Host": read.authority}).url
        assert (asked.raw_host, asked.raw_path) == (read.host.encode("ascii"), read.target.encode("ascii"))


@settings(deadline=None)
@given(st.lists(PIECES, max_size=10).map("".join))
def test_any_redirect_is_read_or_refused(location: str) -> None:
    read = read_redirect(BASE, location, RULES)
    assert isinstance(read, UrlRefused) or read_url(str(read), RULES) == read
