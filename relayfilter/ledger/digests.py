"""Ids as the ledger keeps them: 16 bytes each, however long they are.

Lemmy reads ids with a URL parser (WHATWG URL) and looks objects up by what that gives, so that a host in capitals,
`:443`, `/./`, `/a/../` or another escaping lead it to one object. What is withheld is withheld in every spelling;
what is known is known only in the one that it was seen in, so that a doubtful spelling is looked at again.
Queries and fragments count: another query may be another object.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from urllib.parse import unquote_to_bytes

from relayfilter.signatures.owner import CanonicalId, canonical_id

SIZE = 16

_PLAIN = re.compile(
    r"https://[a-z0-9.-]+[a-z0-9](?:/(?!\.)[A-Za-z0-9._~@=+,;:!$&()*-]*)+(?:[?#][A-Za-z0-9._~@=+&/-]*)?"
)
_PATH = re.compile(r"[^?#]*")


def digest_of(identifier: str) -> bytes:
    """The digest of an id as it is written."""
    return blake2b(identifier.encode("utf-8", "surrogatepass"), digest_size=SIZE).digest()


def digest_of_any_spelling(identifier: str) -> bytes:
    """One digest for all spellings of an id; that of a plain spelling is digest_of's."""
    if _PLAIN.fullmatch(identifier):
        return digest_of(identifier)
    canonical = canonical_id(identifier)
    if not isinstance(canonical, CanonicalId):
        return digest_of(identifier)
    path = _PATH.match(canonical.rest)
    assert path is not None
    rest = unquote_to_bytes(canonical.rest[path.end() :])
    return blake2b(f"https://{canonical.host}".encode() + _resolved(path[0]) + rest, digest_size=SIZE).digest()


def _resolved(path: str) -> bytes:
    """`path` without escapes and dot segments."""
    kept: list[bytes] = []
    segments = unquote_to_bytes(path).split(b"/")[1:]
    for number, segment in enumerate(segments, 1):
        if segment == b"..":
            del kept[-1:]
        if segment not in (b".", b".."):
            kept.append(segment)
        elif number == len(segments):
            kept.append(b"")
    return b"/" + b"/".join(kept)
