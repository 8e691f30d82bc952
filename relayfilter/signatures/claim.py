"""Who says that they signed this request, and is it so? The front door of this room.

In three steps, so that nothing is fetched for a stranger with junk: `read_claim` reads the headers; `precheck` refuses
whatever needs no key (host, digest, coverage, times, algorithm); then the caller obtains the key and `verify` does the
cryptography and checks that the key is the actor's. Only `verify` says Verified.

Headers that a signature rests on may stand in a request once. Two lines of one name are read as the first by one
program, as the last by another and joined by a third: such a request is malformed (400).
"""

from __future__ import annotations

from collections import Counter

import msgspec

from relayfilter.errors import MalformedRequest
from relayfilter.request import InboxRequest
from relayfilter.signatures.cavage import CavageClaim, precheck_cavage, read_cavage, verify_cavage
from relayfilter.signatures.keys import load_public_key
from relayfilter.signatures.owner import check_owner
from relayfilter.signatures.result import ActorKey, BadSignature, NoSignature, Verified
from relayfilter.signatures.rfc9421 import Rfc9421Claim, precheck_rfc9421, read_rfc9421, verify_rfc9421
from relayfilter.wire.head import HOP_BY_HOP, connection_options

Claim = CavageClaim | Rfc9421Claim

MAX_HEADER = 8192
"""Bytes of the longest Signature, Signature-Input or Authorization header that is looked at."""

_ENDS_HERE = frozenset(name.decode("ascii") for name in HOP_BY_HOP)

_ONCE = (
    b"host",
    b"date",
    b"digest",
    b"content-digest",
    b"content-type",
    b"signature",
    b"signature-input",
    b"authorization",
)


def read_claim(request: InboxRequest) -> Claim | NoSignature | BadSignature:
    """What the headers claim. Reason: `signature-malformed`.

    Raises MalformedRequest (400): `duplicate-<header>`, `signature-twice` (Signature and Authorization: Signature),
    `signature-too-long`, `signature-parameter-twice`, `signature-too-many-labels`, `signature-too-many-components`.
    """
    received = Counter(line.name for line in request.headers)
    for name in _ONCE:
        if received[name] > 1:
            raise MalformedRequest(400, f"duplicate-{name.decode()}")
    signature = _only(request, b"signature")
    inputs = _only(request, b"signature-input")
    scheme, _, credentials = (_only(request, b"authorization") or b"").partition(b" ")
    authorization = credentials if scheme.lower() == b"signature" else None
    if authorization is not None and signature is not None:
        raise MalformedRequest(400, "signature-twice")
    if any(value is not None and len(value) > MAX_HEADER for value in (signature, inputs, authorization)):
        raise MalformedRequest(400, "signature-too-long")
    if inputs is not None:
        return read_rfc9421(inputs, signature or b"")
    if signature is None:
        signature = authorization
    return NoSignature() if signature is None else read_cavage(signature)


def _only(request: InboxRequest, name: bytes) -> bytes | None:
    values = request.values(name)
    return values[0] if values else None


class CheckedClaim(msgspec.Struct, frozen=True):
    """A claim of which only the key is left to check. Only `precheck` makes one; `now` is in epoch seconds."""

    request: InboxRequest
    claim: Claim
    now: float


def precheck(
    request: InboxRequest, claim: Claim, *, domains: frozenset[str], now: float
) -> CheckedClaim | BadSignature:
    """Why the claim cannot be good whatever the key, if so. `domains` are our own hosts in lower case, `now` is in
    epoch seconds. Reasons: `hop-by-hop-signed`, those of precheck_cavage and precheck_rfc9421."""
    if bad := _check_hops(request, claim):
        return bad
    if isinstance(claim, CavageClaim):
        bad = precheck_cavage(request, claim, domains=domains, now=now)
    else:
        bad = precheck_rfc9421(request, claim, domains=domains, now=now)
    return bad or CheckedClaim(request, claim, now)


def _check_hops(request: InboxRequest, claim: Claim) -> BadSignature | None:
    """A header that ends at this hop is not forwarded, so a signature over it could not be checked any more."""
    ends_here = _ENDS_HERE
    if options := connection_options(request.values(b"connection")):
        ends_here = ends_here | {option.decode("latin-1") for option in options}
    signatures = (claim,) if isinstance(claim, CavageClaim) else claim.signatures
    for signature in signatures:
        if not ends_here.isdisjoint(signature.covered):
            return BadSignature("hop-by-hop-signed", ", ".join(sorted(ends_here.intersection(signature.covered))))
    return None


def verify(checked: CheckedClaim, key: ActorKey, *, actor: str) -> Verified | BadSignature:
    """Was the request signed by `key`, and is that the key of `actor`, the actor of the body?

    Reasons: check_owner's, load_public_key's, those of verify_cavage and verify_rfc9421.
    """
    if bad := check_owner(key, actor):
        return bad
    public_key = load_public_key(key.pem)
    if isinstance(public_key, BadSignature):
        return public_key
    request, claim = checked.request, checked.claim
    if isinstance(claim, CavageClaim):
        bad = verify_cavage(request, claim, public_key)
    else:
        bad = verify_rfc9421(request, claim, public_key, key.key_id, now=checked.now)
    return bad or Verified(actor, key.key_id, "cavage" if isinstance(claim, CavageClaim) else "rfc9421")
