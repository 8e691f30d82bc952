"""One strict reader of URLs. What two readers could read differently is refused, not repaired.

Published attacks on URL filters live from a check and a fetch that disagree (backslashes, userinfo, odd numbers for
hosts, look-alike dots, line breaks that one of them drops). So there is one reader here, it is a whitelist, and what it
returns is all that is ever fetched:

- Characters: no control, format (zero-width, bidirectional), space or surrogate character anywhere, and no backslash,
  quote or angle bracket. Other non-ASCII characters in path and query are percent-encoded as UTF-8 (RFC 3987).
- Authority: a name of letters, digits and hyphens with at least one dot; no userinfo, no literal address, no odd port.
  A last label that starts with a digit is a number to somebody (WHATWG URL, "ends in a number").
- A non-ASCII name must already be in the form that NFKC and UTS 46 would map it to, lower case excepted: then every
  reader that understands it makes the same xn-- name of it. An xn-- label must decode to such a form and back.
- Path: no `.` or `..` segment in whatever spelling, as some readers resolve them and some send them.
"""

from __future__ import annotations

import re
import unicodedata
from ipaddress import ip_address
from urllib.parse import quote, urljoin

import idna
import msgspec

from relayfilter.remote.address_guard import AddressRefused, IPNetwork, check_address

MAX_LENGTH = 2048
_PORTS = {"http": 80, "https": 443}

_SHAPE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(?:#.*)?", re.DOTALL)
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\]|[^:\[\]]+)(?::([1-9][0-9]{0,4}))?")
_NAME = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:/|\Z)", re.IGNORECASE)
_FORBIDDEN = frozenset('\\<>"')
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})
# RFC 6761, 6762, 7686, 8375, 9476, ICANN's .internal, and what home and office networks call themselves.
_SPECIAL_USE = frozenset(
    {
        "alt",
        "arpa",
        "corp",
        "example",
        "home",
        "internal",
        "intranet",
        "invalid",
        "lan",
        "local",
        "localdomain",
        "localhost",
        "onion",
        "private",
        "test",
    }
)


class Url(msgspec.Struct, frozen=True):
    """What will be fetched: `host` is ASCII, lower case and without brackets, `target` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """What the Host header says (RFC 9110 section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


class UrlRefused(msgspec.Struct, frozen=True):
    """`detail` is printable ASCII."""

    detail: str


class UrlRules(msgspec.Struct, frozen=True):
    """What is readable at all. The last two are for tests: reserved names, and literal addresses in `addresses`."""

    ports: frozenset[int] = frozenset(_PORTS.values())
    special_use_names: bool = False
    addresses: tuple[IPNetwork, ...] = ()


def read_url(text: str, rules: UrlRules) -> Url | UrlRefused:
    """The only reading of `text`, or why there is none."""
    if refused := _refuse_characters(text):
        return refused
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        return UrlRefused("not scheme://host/path")
    scheme = shape[1].lower()
    if scheme not in _PORTS:
        return UrlRefused(f"scheme {scheme[:20]}")
    if "@" in shape[2]:
        return UrlRefused("user information before the host")
    authority = _AUTHORITY.fullmatch(shape[2])
    if authority is None:
        return UrlRefused("not host or host:port")
    port = int(authority[2]) if authority[2] else _PORTS[scheme]
    if port not in rules.ports:
        return UrlRefused(f"port {port}")
    host = _read_host(authority[1], rules)
    if isinstance(host, UrlRefused):
        return host
    path, query = shape[3] or "/", shape[4] or ""
    if _DOT_SEGMENT.search(path):
        return UrlRefused("dot segment in the path")
    return Url(scheme, host, port, quote(path + query, safe="/?:@!$&'()*+,;=%-._~[]"))


def read_redirect(base: Url, location: str, rules: UrlRules) -> Url | UrlRefused:
    """`location` as seen from `base` (RFC 3986 section 5.2). Only a relative reference is resolved, and that within the
    same origin; everything that names a scheme or a host is read as strictly as any URL."""
    if refused := _refuse_characters(location):
        return refused
    if _SCHEME.match(location):
        return read_url(location, rules)
    if location.startswith("//"):
        return read_url(f"{base.scheme}:{location}", rules)
    return read_url(urljoin(str(base), location), rules)


def _refuse_characters(text: str) -> UrlRefused | None:
    if len(text) > MAX_LENGTH:
        return UrlRefused(f"longer than {MAX_LENGTH} characters")
    for character in text:
        if character in _FORBIDDEN or unicodedata.category(character) in _FORBIDDEN_CATEGORIES:
            return UrlRefused(f"character U+{ord(character):04X}")
    return None


def _read_host(text: str, rules: UrlRules) -> str | UrlRefused:
    bare = text.removeprefix("[").removesuffix("]")
    if _is_address(bare):
        permitted = rules.addresses and not isinstance(check_address(bare, rules.addresses), AddressRefused)
        return str(ip_address(bare)) if permitted else UrlRefused("an address instead of a name")
    host = text.lower()
    if not text.isascii():
        if unicodedata.normalize("NFKC", text) != text:
            return UrlRefused("a name that is spelled in an unusual way")
        try:
            if idna.uts46_remap(host, std3_rules=True, transitional=False) != host:
                return UrlRefused("a name that is spelled in an unusual way")
            host = idna.encode(host).decode("ascii")
        except idna.IDNAError:
            return UrlRefused("not an international name")
    host = host.removesuffix(".")
    if not _NAME.fullmatch(host):
        return UrlRefused("not a host name")
    labels = host.split(".")
    if not all(_is_sound(label) for label in labels):
        return UrlRefused("an xn-- label that is not what it decodes to")
    if labels[-1] in _SPECIAL_USE and not rules.special_use_names:
        return UrlRefused(f"reserved name .{labels[-1]}")
    return host


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_sound(label: str) -> bool:
    """Symbols that IDNA 2008 leaves out pass here (they are registered and in use), since readers do not differ."""
    if not label.startswith("xn--"):
        return True
    try:
        decoded = label[4:].encode("ascii").decode("punycode")
        mapped = idna.uts46_remap(decoded, std3_rules=True, transitional=False)
    except (UnicodeError, idna.IDNAError):
        return False
    return not decoded.isascii() and mapped == decoded and decoded.encode("punycode").decode("ascii") == label[4:]
