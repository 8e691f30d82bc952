"""draft-cavage-http-signatures-12, as narrow as Lemmy needs it and no narrower than its senders are.

The header is a list of `name="value"` (or a bare number), parted by commas. A comma, a backslash or a quote inside a
value is refused: nobody sends them, and a reader that splits at every comma would see another signature than one that
knows escapes. The signing string is one `name: value` a line in the order of `headers`; the value of `(request-target)`
is the method in lower case and the target exactly as sent. A sender that leaves out a query, as GoToSocial does in its
second try, verifies only where there is none.

What must be covered: `(request-target)`, `host`, `digest` (Lemmy insists) and a time, `date` or `(created)`.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections import Counter
from datetime import UTC, datetime

import msgspec

from relayfilter.errors import MalformedRequest
from relayfilter.request import InboxRequest
from relayfilter.signatures.destination import check_destination
from relayfilter.signatures.digest import check_digest
from relayfilter.signatures.result import BadSignature, PublicKey
from relayfilter.signatures.suites import CAVAGE

WINDOW = 3600
"""Seconds that a date may be off, as Lemmy has it."""
SKEW = 60
"""Seconds that a sender's clock may be ahead of ours in `(created)`, where the draft allows none."""
MAX_HEADERS = 32

_PARAMETER = re.compile(
    r'[ \t]*(?P<name>[A-Za-z][A-Za-z0-9_-]*)=(?:"(?P<text>[ !#-+\--\[\]-~]*)"|(?P<number>[0-9]{1,15}))[ \t]*'
)
_SECONDS = re.compile(r"[0-9]{1,15}")
_IMF_FIXDATE = re.compile(
    rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ([0-9]{4})"
    rb" ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
_MONTHS = {name: number for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_TIMES = frozenset({"(created)", "(expires)"})


class CavageClaim(msgspec.Struct, frozen=True, tag="cavage"):
    """What a `Signature` header claims. `covered` are the lower-case names in signing order, times in epoch seconds."""

    key_id: str
    algorithm: str | None
    covered: tuple[str, ...]
    created: int | None
    expires: int | None
    signature: bytes

    @property
    def key_ids(self) -> tuple[str, ...]:
        return (self.key_id,)


def read_cavage(value: bytes) -> CavageClaim | BadSignature:
    """The claim in the value of a `Signature` header. Reason: `signature-malformed`.

    Raises MalformedRequest (400) for a parameter that stands there twice and for more than 32 covered headers.
    """
    parameters = _parameters(value)
    if parameters is None:
        return _malformed("not a list of parameters")
    try:
        signature = a2b_base64(parameters.get("signature", ""), strict_mode=True)
    except Base64Error:
        return _malformed("the signature is not base64")
    if not signature:
        return _malformed("no signature")
    if not parameters.get("keyId"):
        return _malformed("no keyId")
    covered = tuple(parameters.get("headers", "(created)").lower().split(" "))
    if len(covered) > MAX_HEADERS:
        raise MalformedRequest(400, "signature-too-many-components")
    if len(set(covered)) < len(covered) or "" in covered:
        return _malformed("headers are listed twice, or not parted by one blank")
    times = [parameters.get("created"), parameters.get("expires")]
    if any(time is not None and not _SECONDS.fullmatch(time) for time in times):
        return _malformed("created or expires is not a number of seconds")
    created, expires = (None if time is None else int(time) for time in times)
    return CavageClaim(parameters["keyId"], parameters.get("algorithm"), covered, created, expires, signature)


def _malformed(detail: str) -> BadSignature:
    return BadSignature("signature-malformed", detail)


def _parameters(value: bytes) -> dict[str, str] | None:
    if not value.isascii():
        return None
    text = value.decode("ascii")
    parameters: dict[str, str] = {}
    seen: set[str] = set()
    position = 0
    while match := _PARAMETER.match(text, position):
        name: str = match["name"]
        if name.lower() in seen:
            raise MalformedRequest(400, "signature-parameter-twice")
        seen.add(name.lower())
        parameters[name] = match["number"] if match["text"] is None else match["text"]
        position = match.end()
        if position == len(text):
            return parameters
        if text[position] != ",":
            return None
        position += 1
    return None


def precheck_cavage(
    request: InboxRequest, claim: CavageClaim, *, domains: frozenset[str], now: float
) -> BadSignature | None:
    """Everything that can be refused without a key.

    Reasons: `algorithm-not-allowed`, `created-not-allowed`, `header-not-signed`, `header-missing`, `header-repeated`,
    `date-unreadable`, `date-outside-window`, `created-outside-window`, `expired`, check_destination's, check_digest's.
    """
    suite = CAVAGE.get(claim.algorithm)
    if suite is None:
        return BadSignature("algorithm-not-allowed", repr(claim.algorithm)[:80])
    covered = frozenset(claim.covered)
    if covered & _TIMES and not suite.times:
        return BadSignature("created-not-allowed", f"with {claim.algorithm}")
    for name in ("(request-target)", "host", "digest"):
        if name not in covered:
            return BadSignature("header-not-signed", name)
    if "date" not in covered and "(created)" not in covered:
        return BadSignature("header-not-signed", "date or (created)")
    return (
        _check_present(request, claim)
        or check_destination(request, domains)
        or _check_times(request, claim, now)
        or check_digest(request.values(b"digest")[0], request.body)
    )


def _check_present(request: InboxRequest, claim: CavageClaim) -> BadSignature | None:
    received = Counter(line.name.decode("latin-1") for line in request.headers)
    for name in claim.covered:
        if name == "(request-target)":
            continue
        if name.startswith("("):
            present = {"(created)": claim.created, "(expires)": claim.expires}.get(name) is not None
        else:
            present = received[name] > 0
        if not present:
            return BadSignature("header-missing", name[:80])
        if received[name] > 1:
            return BadSignature("header-repeated", name[:80])
    return None


def _check_times(request: InboxRequest, claim: CavageClaim, now: float) -> BadSignature | None:
    if "date" in claim.covered:
        sent = _epoch_seconds(request.values(b"date")[0])
        if sent is None:
            return BadSignature("date-unreadable")
        if abs(now - sent) > WINDOW:
            return BadSignature("date-outside-window", f"off by {now - sent:.0f} s")
    if claim.created is not None and not -SKEW <= now - claim.created <= WINDOW:
        return BadSignature("created-outside-window", f"off by {now - claim.created:.0f} s")
    if claim.expires is not None and now > claim.expires:
        return BadSignature("expired", f"{now - claim.expires:.0f} s ago")
    return None


def _epoch_seconds(date: bytes) -> float | None:
    """RFC 9110 section 5.6.7, the one format that senders may generate."""
    match = _IMF_FIXDATE.fullmatch(date)
    if match is None:
        return None
    day, month, year, hour, minute, second = match.groups()
    try:
        return datetime(
            int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC
        ).timestamp()
    except ValueError:
        return None


def verify_cavage(request: InboxRequest, claim: CavageClaim, key: PublicKey) -> BadSignature | None:
    """The cryptography, for a claim that passed precheck_cavage. Reasons: `header-not-ascii` and the suite's."""
    signed = _signing_string(request, claim)
    if not signed.isascii():
        return BadSignature("header-not-ascii", "Lemmy does not read such headers")
    return CAVAGE[claim.algorithm].verify(key, claim.signature, signed)


def _signing_string(request: InboxRequest, claim: CavageClaim) -> bytes:
    values = {line.name: line.value for line in request.headers}
    values[b"(request-target)"] = request.method.lower().encode("latin-1") + b" " + request.target
    values[b"(created)"] = b"%d" % (claim.created or 0)
    values[b"(expires)"] = b"%d" % (claim.expires or 0)
    names = [name.encode("ascii") for name in claim.covered]
    return b"\n".join(name + b": " + values[name] for name in names)
