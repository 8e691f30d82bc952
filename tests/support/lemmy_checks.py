"""What Lemmy asks of a delivery before it lets it in, in Lemmy's order, written from its sources and sharing nothing
with relayfilter, so that the two cannot share a mistake.

The order is activitypub_federation's (http_signatures.rs, actix_web/inbox.rs): the `Digest` against the body, the JSON,
id and actor on one host, the actor's key out of the database, the signature. Signatures are draft-cavage only, RSA
PKCS#1 v1.5 with SHA-256, checked with the key of the body's `actor`; `keyId` and `algorithm` are not looked at.
serde_json, which reads the body, refuses a key given twice where it knows the field, lone surrogates, NaN, numbers that
overflow, a byte order mark and more than 127 levels.

Stricter than Lemmy on purpose: host and (request-target) have to be signed, a Date may not be over an hour ahead
either, and no header that is signed or framed may stand twice. A filter that passes something which only this
refuses has passed what it could not have verified.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

Headers = Sequence[tuple[bytes, bytes]]
KeyOf = Callable[[str], RSAPublicKey | None]

WINDOW = 3600
MAX_DEPTH = 127
_KNOWN_FIELDS = {
    *("@context", "id", "type", "actor", "object", "target", "to", "cc", "audience", "attributedTo", "inReplyTo"),
    *("name", "content", "mediaType", "source", "summary", "sensitive", "published", "updated"),
    *("url", "attachment", "image", "icon", "tag", "publicKey"),
}
_SINGLE = frozenset((b"host", b"date", b"digest", b"signature", b"content-type", b"content-length"))
_PARAMETER = re.compile(r'\s*([A-Za-z]+)=(?:"([^"]*)"|([0-9]+))\s*(?:,|$)')


class Refused(Exception):
    """Lemmy's answer is 400 with this text as its `error`."""


def routed(target: bytes, *, only_shared: bool) -> bool:
    """Does the raw request-target lead to an inbox?

    actix-router decodes every percent escape except those of `%`, `/` and `+` and merges no slashes; `{name}` is one
    path segment. Lemmy 1.0 has only the shared inbox.
    """
    path = re.sub(rb"^https?://[^/?#]*", b"", target, flags=re.IGNORECASE).split(b"?", 1)[0]
    decoded = re.sub(rb"%(?!2[5FBfb])([0-9A-Fa-f]{2})", lambda escape: bytes((int(escape[1], 16),)), path)
    pattern = rb"/inbox" if only_shared else rb"/inbox|/[cu]/[^/]+/inbox"
    return re.fullmatch(pattern, decoded, flags=re.DOTALL) is not None


def check(method: bytes, target: bytes, headers: Headers, body: bytes, key_of: KeyOf, now: float) -> dict[str, Any]:
    """The activity, when Lemmy would believe it. Raises Refused."""
    _no_duplicates(headers)
    _digest(headers, body)
    document = _parse(body)
    actor = _same_host(document)
    key = key_of(actor)
    if key is None:
        raise Refused(f"failed to fetch actor {actor}")
    _signature(method, target, headers, key, now)
    return document


def _no_duplicates(headers: Headers) -> None:
    names = [name for name, _ in headers]
    if repeated := sorted({name for name in names if name in _SINGLE and names.count(name) > 1}):
        raise Refused(f"header given twice: {repeated[0].decode()}")


def _value(headers: Headers, wanted: bytes) -> str | None:
    values = [value.decode("latin-1") for name, value in headers if name == wanted]
    return ", ".join(values) if values else None


def _digest(headers: Headers, body: bytes) -> None:
    stated = _value(headers, b"digest")
    parts = [part.partition("=") for part in (stated or "").split(";")[0].split(",")]
    expected = base64.b64encode(hashlib.sha256(body).digest()).decode()
    if any(not equals or value != expected for _, equals, value in parts):
        raise Refused("Incoming activity has invalid digest for body")


def _parse(body: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        for name in _KNOWN_FIELDS.intersection(names):
            if names.count(name) > 1:
                raise Refused(f"duplicate field `{name}`")
        return dict(pairs)

    def number(text: str) -> float:
        value = float(text)
        if math.isinf(value):
            raise Refused("number out of range")
        return value

    def no_constant(name: str) -> NoReturn:
        raise Refused(f"expected value, found {name}")

    try:
        document = json.loads(
            body.decode("utf-8"), object_pairs_hook=once, parse_float=number, parse_constant=no_constant
        )
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise Refused(f"Failed to parse incoming activity: {error}") from None
    if not isinstance(document, dict):
        raise Refused("Failed to parse incoming activity: not an object")
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        inside = [child for outer in level for child in (outer.values() if isinstance(outer, dict) else outer)]
        level = [child for child in inside if isinstance(child, dict | list)]
    if level:
        raise Refused("recursion limit exceeded")
    return document


def _same_host(document: dict[str, Any]) -> str:
    ids = document.get("id"), document.get("actor")
    if not isinstance(document.get("type"), str) or "object" not in document:
        raise Refused("data did not match any variant of an activity")
    hosts = []
    for url in ids:
        if not isinstance(url, str):
            raise Refused("id and actor have to be strings")
        try:
            parts = urlsplit(url)
            has_port = parts.port is not None
        except ValueError:
            raise Refused(f"not a URL: {url}") from None
        if parts.scheme != "https" or not parts.hostname or has_port or "@" in parts.netloc:
            raise Refused(f"not an https URL without a port: {url}")
        hosts.append(parts.hostname)
    if hosts[0] != hosts[1]:
        raise Refused("Domain of the activity's id is not that of its actor")
    return str(ids[1])


def _parameters(header: str) -> dict[str, str]:
    found: dict[str, str] = {}
    position = 0
    while position < len(header):
        match = _PARAMETER.match(header, position)
        if match is None or match[1] in found:
            raise Refused("the Signature header does not parse")
        found[match[1]] = match[2] if match[2] is not None else match[3]
        position = match.end()
    return found


def _signature(method: bytes, target: bytes, headers: Headers, key: RSAPublicKey, now: float) -> None:
    header = _value(headers, b"signature")
    if header is None:
        raise Refused("Signature header is missing")
    stated = _parameters(header)
    signed = stated.get("headers", "").split(" ")
    if missing := {"(request-target)", "host", "digest"}.difference(signed):
        raise Refused(f"not signed: {min(missing)}")
    if not {"date", "(created)"}.intersection(signed):
        raise Refused("neither date nor (created) is signed")

    lines = []
    for name in signed:
        if name == "(request-target)":
            value: str | None = f"{method.decode().lower()} {target.decode('latin-1')}"
        elif name in ("(created)", "(expires)"):
            value = stated.get(name.strip("()"))
        else:
            value = _value(headers, name.encode("latin-1"))
        if value is None:
            raise Refused(f"signed but absent: {name}")
        lines.append(f"{name}: {value}")
    _fresh(stated, _value(headers, b"date") if "date" in signed else None, now)
    try:
        key.verify(
            base64.b64decode(stated.get("signature", ""), validate=True),
            "\n".join(lines).encode("latin-1"),
            padding.PKCS1v15(),
            SHA256(),
        )
    except (InvalidSignature, ValueError):
        raise Refused("Incoming activity has invalid signature") from None


def _fresh(stated: dict[str, str], date: str | None, now: float) -> None:
    try:
        created = int(stated["created"]) if "created" in stated else None
        expires = int(stated["expires"]) if "expires" in stated else None
        dated = parsedate_to_datetime(date).timestamp() if date is not None else None
    except ValueError:
        raise Refused("a date of the signature does not parse") from None
    if created is not None and not now - WINDOW <= created <= now:
        raise Refused("signature is expired or from the future")
    if expires is not None and expires < now:
        raise Refused("signature is expired")
    if dated is not None and abs(now - dated) > WINDOW:
        raise Refused("signature is expired")
