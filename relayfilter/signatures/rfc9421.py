"""RFC 9421 HTTP Message Signatures with RFC 9530 Content-Digest, through http-message-signatures.

Lemmy speaks only cavage, so a good signature of this kind is evidence for the log (or for an upstream that declares
itself capable); the rules are strict all the same. The library's own policy is empty: what must be covered, the body
and the clock are given to it here. A signature must cover the method, the body's digest, and the target: `@target-uri`,
or `@authority` with `@path` and, where there is a query, `@query`.

A message may carry several signatures. Each is checked on its own, in a view of the message that has no other; one that
meets the rules is enough.
"""

from __future__ import annotations

from typing import Any, cast

import http_sf
import msgspec
from http_message_signatures import HTTPMessageSignaturesException, HTTPMessageVerifier, MappingKeyResolver

from relayfilter.errors import MalformedRequest
from relayfilter.request import InboxRequest
from relayfilter.signatures.destination import check_destination, host_of
from relayfilter.signatures.digest import check_content_digest
from relayfilter.signatures.result import BadSignature, PublicKey
from relayfilter.signatures.suites import RFC9421, message_suite

MAX_SIGNATURES = 4
MAX_COMPONENTS = 32
MAX_AGE = 3600
SKEW = 60

_SIGNATURE_FIELDS = (b"signature", b"signature-input")


class LabelledSignature(msgspec.Struct, frozen=True):
    """One signature of a message. `covered` are component names (with parameters: their serialised form), times are in
    epoch seconds, `inputs` and `signature` its members of Signature-Input and Signature, serialised."""

    label: str
    key_id: str
    algorithm: str | None
    covered: tuple[str, ...]
    created: int
    expires: int | None
    inputs: bytes
    signature: bytes


class Rfc9421Claim(msgspec.Struct, frozen=True, tag="rfc9421"):
    """What the Signature-Input and Signature headers claim: 1 to 4 signatures."""

    signatures: tuple[LabelledSignature, ...]

    @property
    def key_ids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(signature.key_id for signature in self.signatures))


class _Twice(Exception):
    pass


def read_rfc9421(inputs: bytes, signatures: bytes) -> Rfc9421Claim | BadSignature:
    """The claim in the values of Signature-Input and Signature. Reason: `signature-malformed`.

    Raises MalformedRequest (400) for more than 4 signatures or more than 32 components in one.
    """
    input_members, signature_members = _dictionary(inputs), _dictionary(signatures)
    if input_members is None or signature_members is None:
        return BadSignature("signature-malformed", "not a structured dictionary")
    if max(len(input_members), len(signature_members)) > MAX_SIGNATURES:
        raise MalformedRequest(400, "signature-too-many-labels")
    if not input_members or input_members.keys() != signature_members.keys():
        return BadSignature("signature-malformed", "Signature-Input and Signature have different labels")
    found: list[LabelledSignature] = []
    refused = BadSignature("signature-malformed", "no signature")
    for label, (components, parameters) in input_members.items():
        if isinstance(components, list) and len(components) > MAX_COMPONENTS:
            raise MalformedRequest(400, "signature-too-many-components")
        one = _labelled(label, components, parameters, signature_members[label])
        if isinstance(one, BadSignature):
            refused = one
        else:
            found.append(one)
    return Rfc9421Claim(tuple(found)) if found else refused


def _dictionary(value: bytes) -> dict[str, tuple[Any, dict[str, Any]]] | None:
    def refuse(name: str, _context: str) -> None:
        raise _Twice(name)

    try:
        parsed = http_sf.parse(value, tltype="dictionary", on_duplicate_key=refuse)
    except (http_sf.StructuredFieldError, _Twice):
        return None
    return cast(dict[str, tuple[Any, dict[str, Any]]], parsed)


class _Parameters(msgspec.Struct):
    keyid: str
    created: int
    alg: str | None = None
    expires: int | None = None


def _labelled(
    label: str, components: Any, parameters: dict[str, Any], member: tuple[Any, dict[str, Any]]
) -> LabelledSignature | BadSignature:
    if not isinstance(components, list) or not all(isinstance(name, str) for name, _ in components):
        return BadSignature("signature-malformed", f"{label}: not a list of component names")
    if not isinstance(member[0], bytes):
        return BadSignature("signature-malformed", f"{label}: the signature is not a byte sequence")
    try:
        known = msgspec.convert(parameters, _Parameters)
    except msgspec.ValidationError as error:
        return BadSignature("signature-malformed", f"{label}: {error}"[:200])
    return LabelledSignature(
        label=label,
        key_id=known.keyid,
        algorithm=known.alg,
        covered=tuple(http_sf.ser(item) if item[1] else item[0] for item in components),
        created=known.created,
        expires=known.expires,
        inputs=http_sf.ser({label: (components, parameters)}).encode("ascii"),
        signature=http_sf.ser({label: member}).encode("ascii"),
    )


def precheck_rfc9421(
    request: InboxRequest, claim: Rfc9421Claim, *, domains: frozenset[str], now: float
) -> BadSignature | None:
    """Everything that can be refused without a key: the destination, the body's digest, and all signatures.

    Reasons: check_destination's, `content-digest-missing`, `content-digest-mismatch`, and of the last signature
    `algorithm-not-allowed`, `component-not-signed`, `created-outside-window`, `expired`.
    """
    if bad := check_destination(request, domains):
        return bad
    digests = request.values(b"content-digest")
    if not digests:
        return BadSignature("content-digest-missing")
    if bad := check_content_digest(digests[0], request.body):
        return bad
    for signature in claim.signatures:
        bad = _check_rules(request, signature, now)
        if bad is None:
            return None
    return bad


def _check_rules(request: InboxRequest, signature: LabelledSignature, now: float) -> BadSignature | None:
    if signature.algorithm is not None and signature.algorithm not in RFC9421:
        return BadSignature("algorithm-not-allowed", repr(signature.algorithm)[:80])
    for name in _required(request, signature):
        if name not in signature.covered:
            return BadSignature("component-not-signed", name)
    return _check_times(signature.created, signature.expires, now)


def _required(request: InboxRequest, signature: LabelledSignature) -> tuple[str, ...]:
    if "@target-uri" in signature.covered:
        return ("@method", "content-digest", "@target-uri")
    query = ("@query",) if b"?" in request.target else ()
    return ("@method", "content-digest", "@authority", "@path", *query)


def _check_times(created: int, expires: int | None, now: float) -> BadSignature | None:
    if not -SKEW <= now - created <= MAX_AGE + SKEW:
        return BadSignature("created-outside-window", f"off by {now - created:.0f} s")
    if expires is not None and now - expires > SKEW:
        return BadSignature("expired", f"{now - expires:.0f} s ago")
    return None


def verify_rfc9421(
    request: InboxRequest, claim: Rfc9421Claim, key: PublicKey, key_id: str, *, now: float
) -> BadSignature | None:
    """Does one signature by this key meet the rules and verify? For a claim that passed precheck_rfc9421.

    Reasons, of the last that was tried: _check_rules', `algorithm-key-mismatch`, `signature-mismatch`.
    """
    bad: BadSignature | None = BadSignature("key-not-used", key_id)
    for signature in claim.signatures:
        if signature.key_id == key_id:
            bad = _check_rules(request, signature, now) or _verify_one(request, signature, key)
            if bad is None:
                return None
    return bad


def _verify_one(request: InboxRequest, signature: LabelledSignature, key: PublicKey) -> BadSignature | None:
    suite = message_suite(signature.algorithm, key)
    if isinstance(suite, BadSignature):
        return suite
    resolver = MappingKeyResolver(public_keys={signature.key_id: key}, private_keys={})
    verifier = _Verifier(signature_algorithm=suite.algorithm, key_resolver=resolver)
    required = _required(request, signature)
    try:
        verifier.verify(_Message(request, signature), max_age=None, require_components=required, body=request.body)
    except HTTPMessageSignaturesException as error:
        return BadSignature("signature-mismatch", str(error)[:200])
    return None


class _Verifier(HTTPMessageVerifier):
    def validate_created_and_expires(self, *_: Any, **__: Any) -> None:
        """The library would read the system's clock; _check_rules has seen to the times."""


class _Message:
    """A request as the library wants to see it, with one of its signatures."""

    def __init__(self, request: InboxRequest, signature: LabelledSignature) -> None:
        self.method = request.method
        self.url = f"https://{host_of(request.values(b'host')[0])}{request.target.decode('latin-1')}"
        self.headers = _FieldLines(request, signature)


class _FieldLines:
    def __init__(self, request: InboxRequest, signature: LabelledSignature) -> None:
        lines = [(line.name, line.value) for line in request.headers if line.name not in _SIGNATURE_FIELDS]
        lines += [(b"signature-input", signature.inputs), (b"signature", signature.signature)]
        self._lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in lines]

    def items(self) -> list[tuple[str, str]]:
        return self._lines
