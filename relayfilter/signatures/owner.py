"""Whose key may speak for whom: the comparison of ids, and the rules that bind an activity to its signer.

Two spellings of an id are one when a URL parser would read them as one as far as the origin goes: scheme and host
without regard to case, a trailing dot or `:443`, an internationalised host by its A-labels (UTS 46). Everything after
the origin is compared as it stands. What Lemmy refuses, or what two URL parsers read differently (userinfo, another
port, an IP address, a backslash, blanks), is no id at all.

An activity is bound to its signer when (facts of activitypub_federation, Lemmy's library)
  - the actor's id and the activity's id are https and name the same host;
  - the key is served by the actor's own origin;
  - the actor's own document lists the key (keys.py and remote/actor_keys.py see to that).
"""

from __future__ import annotations

import re
from functools import lru_cache

import idna
import msgspec

from relayfilter.signatures.result import ActorKey, BadSignature

MAX_ID = 1024
"""Characters of the longest id that is looked at; Lemmy keeps 255."""

_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_ID = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?://(?P<authority>[^/?#]*))?(?P<rest>.*)", re.DOTALL)
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class CanonicalId(msgspec.Struct, frozen=True):
    """An https id in its one spelling: the host in lower-case A-labels; path, query and fragment as they were."""

    host: str
    rest: str

    @property
    def without_fragment(self) -> CanonicalId:
        return CanonicalId(self.host, self.rest.partition("#")[0])


@lru_cache(maxsize=4096)
def canonical_id(text: str) -> CanonicalId | BadSignature:
    """The id in its one spelling, or why it is none: `id-too-long`, `id-unsafe`, `id-not-https`, `id-userinfo`,
    `id-port`, `id-host`."""
    if len(text) > MAX_ID:
        return BadSignature("id-too-long")
    if _UNSAFE.search(text):
        return BadSignature("id-unsafe")
    match = _ID.fullmatch(text)
    if match is None or match["scheme"].lower() != "https" or match["authority"] is None:
        return BadSignature("id-not-https")
    authority: str = match["authority"]
    if "@" in authority:
        return BadSignature("id-userinfo")
    host, colon, port = authority.partition(":")
    if colon and port not in ("", "443"):
        return BadSignature("id-host" if host.startswith("[") else "id-port")
    ascii_host = _ascii_host(host)
    if ascii_host is None:
        return BadSignature("id-host")
    rest: str = match["rest"]
    return CanonicalId(ascii_host, rest if rest.startswith("/") else f"/{rest}")


def _ascii_host(host: str) -> str | None:
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError:
            return None
    host = host.lower().removesuffix(".")
    if not _HOST.fullmatch(host) or ".." in host or _NUMBER.fullmatch(host.rpartition(".")[2]):
        return None
    return host


def same_id(one: str, other: str) -> bool:
    """Are both the same id? What is no id equals nothing, not even itself."""
    canonical = canonical_id(one)
    return isinstance(canonical, CanonicalId) and canonical == canonical_id(other)


def same_origin(one: str, other: str) -> bool:
    """Are both served by the same host over https?"""
    first, second = canonical_id(one), canonical_id(other)
    return isinstance(first, CanonicalId) and isinstance(second, CanonicalId) and first.host == second.host


def instance_of(actor: str) -> str | None:
    """The canonical host of an actor id; None when it is no id."""
    canonical = canonical_id(actor)
    return canonical.host if isinstance(canonical, CanonicalId) else None


def check_ids(actor: str, activity_id: str) -> BadSignature | None:
    """May an activity with this id come from this actor? `actor-...` or `activity-...` before a reason of canonical_id,
    or `activity-foreign-host`."""
    actor_id = canonical_id(actor)
    if isinstance(actor_id, BadSignature):
        return BadSignature(f"actor-{actor_id.reason}", actor[:MAX_ID])
    own_id = canonical_id(activity_id)
    if isinstance(own_id, BadSignature):
        return BadSignature(f"activity-{own_id.reason}", activity_id[:MAX_ID])
    if own_id.host != actor_id.host:
        return BadSignature("activity-foreign-host", f"{own_id.host} is not {actor_id.host}")
    return None


def check_key_id(key_id: str, actor: str) -> BadSignature | None:
    """May a key with this id belong to this actor? Decided before anything is fetched: `key-...` before a reason of
    canonical_id, or `key-foreign-origin`."""
    key = canonical_id(key_id)
    if isinstance(key, BadSignature):
        return BadSignature(f"key-{key.reason}", key_id[:MAX_ID])
    if not same_origin(key_id, actor):
        return BadSignature("key-foreign-origin", f"{key.host} is not the host of {actor[:MAX_ID]}")
    return None


def check_owner(key: ActorKey, actor: str) -> BadSignature | None:
    """Does the key belong to the actor of the body? `key-owner-mismatch` otherwise."""
    if same_id(key.actor, actor):
        return None
    return BadSignature("key-owner-mismatch", f"the key is {key.actor}'s, the activity {actor[:MAX_ID]}'s")
