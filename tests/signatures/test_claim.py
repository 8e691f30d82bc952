"""The conformance of the whole room, from the headers to Verified: one line a case."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relayfilter.errors import MalformedRequest
from relayfilter.signatures.cavage import CavageClaim
from relayfilter.signatures.claim import MAX_HEADER, precheck, read_claim, verify
from relayfilter.signatures.result import ActorKey, BadSignature, NoSignature, Verified
from relayfilter.signatures.rfc9421 import Rfc9421Claim
from tests.support.signing import SENDERS, Keypair, Signed, cavage, keypair, rfc9421

NOW = 1_700_000_000.0
BODY = b'{"id": "https://a.test/activities/1", "actor": "https://a.test/users/alice"}'
ACTOR = "https://a.test/users/alice"
KEY_ID = f"{ACTOR}#main-key"
DOMAINS = frozenset({"lemmy.test"})


def outcome(signed: Signed, *, target: str = "/inbox", key: Keypair | None = None, owner: str = ACTOR) -> str:
    """`verified`, `none`, a status with its reason, or a reason (after `unasked: ` when no key was needed for it)."""
    request = signed.as_request(target)
    try:
        claim = read_claim(request)
    except MalformedRequest as error:
        return f"{error.status} {error.reason}"
    if isinstance(claim, NoSignature):
        return "none"
    if isinstance(claim, BadSignature):
        return f"unasked: {claim.reason}"
    checked = precheck(request, claim, domains=DOMAINS, now=NOW)
    if isinstance(checked, BadSignature):
        return f"unasked: {checked.reason}"
    actor_key = ActorKey(KEY_ID, owner, (key or keypair("alice")).public_pem, NOW)
    result = verify(checked, actor_key, actor=ACTOR)
    return "verified" if isinstance(result, Verified) else result.reason


def sent(key: Keypair | None = None, **how: Any) -> Signed:
    return cavage(key or keypair("alice"), KEY_ID, BODY, now=NOW, **how)


def sent_9421(key: Keypair | None = None, **how: Any) -> Signed:
    return rfc9421(key or keypair("alice"), KEY_ID, BODY, now=NOW, **how)


@pytest.mark.parametrize("sender", sorted(SENDERS))
def test_every_sender_to_an_inbox_without_query(sender: str) -> None:
    assert outcome(sent(**SENDERS[sender])) == "verified"
    forged = sent(keypair("mallory"), **SENDERS[sender])
    assert outcome(forged) == "signature-mismatch"


@pytest.mark.parametrize("sender", sorted(SENDERS))
def test_every_sender_to_an_inbox_with_query(sender: str) -> None:
    leaves_out_the_query = "signed_target" in SENDERS[sender]
    signed = sent(target="/inbox?x=1", **SENDERS[sender])
    assert outcome(signed, target="/inbox?x=1") == ("signature-mismatch" if leaves_out_the_query else "verified")


TWICE = {
    "Digest": "SHA-256=AAAA",
    "Host": "lemmy.test",
    "Date": "Tue, 14 Nov 2023 22:13:20 GMT",
    "Signature": "x",
    "Content-Type": "text/html",
    "Content-Digest": "sha-256=:AAAA:",
    "Signature-Input": "x",
}


@pytest.mark.parametrize("name", sorted(TWICE))
@pytest.mark.parametrize("first", [True, False])
def test_lines_that_stand_there_twice(name: str, first: bool) -> None:
    signed = sent_9421() if "-" in name and name != "Content-Type" else sent()
    other = (name.encode(), TWICE[name].encode())
    signed = Signed([other, *signed.headers] if first else [*signed.headers, other], BODY)
    assert outcome(signed) == f"400 duplicate-{name.lower()}"


@pytest.mark.parametrize(
    ("signed", "expected"),
    [
        (sent(omit=("signature",)), "none"),
        (sent(omit=("signature",), extra=[("Authorization", "Bearer x")]), "none"),
        (sent(authorization=True), "verified"),
        (sent(authorization=True, replace={"authorization": "signature x"}), "unasked: signature-malformed"),
        (sent(extra=[("Authorization", "Signature x")]), "400 signature-twice"),
        (sent_9421(extra=[("Authorization", "SIGNATURE x")]), "400 signature-twice"),
        (sent(extra=[("Authorization", "Bearer x")]), "verified"),
        (sent(extra=[("Authorization", "Bearer x"), ("Authorization", "y")]), "400 duplicate-authorization"),
        (sent(replace={"signature": "x" * (MAX_HEADER + 1)}), "400 signature-too-long"),
        (sent_9421(replace={"signature-input": "x" * (MAX_HEADER + 1)}), "400 signature-too-long"),
        (
            sent(authorization=True, replace={"authorization": "Signature " + "x" * MAX_HEADER + "y"}),
            "400 signature-too-long",
        ),
        (sent(replace={"signature": ""}), "unasked: signature-malformed"),
        (sent(replace={"signature": 'keyId="a",keyId="b"'}), "400 signature-parameter-twice"),
        (sent(extra=[("Signature-Input", 'sig1=("@method")')]), "unasked: signature-malformed"),
        (sent_9421(omit=("signature",)), "unasked: signature-malformed"),
        (sent_9421(), "verified"),
        (sent_9421(covered=("@method",)), "unasked: component-not-signed"),
        (
            sent_9421(replace={"signature-input": ",".join(f"l{n}=()" for n in range(5))}),
            "400 signature-too-many-labels",
        ),
        (sent(algorithm="rsa-sha1"), "unasked: algorithm-not-allowed"),
        (sent(host="evil.test"), "unasked: host-not-ours"),
        (sent(sent_body=BODY + b" "), "unasked: digest-mismatch"),
        (sent(date_offset=-3700), "unasked: date-outside-window"),
        (sent(keypair("mallory")), "signature-mismatch"),
        (sent_9421(keypair("mallory")), "signature-mismatch"),
    ],
)
def test_claims(signed: Signed, expected: str) -> None:
    assert outcome(signed) == expected


@pytest.mark.parametrize("send", [sent, sent_9421])
def test_the_key_must_be_the_actors_and_fit_to_use(send: Any) -> None:
    assert outcome(send(), owner="https://A.TEST/users/alice") == "verified"
    assert outcome(send(), owner="https://a.test/actor") == "key-owner-mismatch"
    weak = keypair("weak", "rsa1024")
    assert outcome(send(weak), key=weak) == "key-size"


def test_lemmy_knows_no_other_keys_than_rsa() -> None:
    for kind in ("ed25519", "p256"):
        key = keypair("alice", kind)
        assert outcome(sent(key, algorithm="hs2019"), key=key) == "key-type-not-allowed"


def test_what_verified_says() -> None:
    key = ActorKey(KEY_ID, ACTOR, keypair("alice").public_pem, NOW)
    for signed, kind, scheme in ((sent(), CavageClaim, "cavage"), (sent_9421(), Rfc9421Claim, "rfc9421")):
        request = signed.as_request()
        claim = read_claim(request)
        assert isinstance(claim, CavageClaim | Rfc9421Claim)
        assert isinstance(claim, kind)
        assert claim.key_ids == (KEY_ID,)
        checked = precheck(request, claim, domains=DOMAINS, now=NOW)
        assert not isinstance(checked, BadSignature)
        verified = verify(checked, key, actor=ACTOR)
        assert isinstance(verified, Verified)
        assert (verified.actor, verified.key_id, verified.scheme) == (ACTOR, KEY_ID, scheme)


@given(st.integers(0, len(BODY) - 1), st.booleans())
@settings(max_examples=30)
def test_any_flipped_bit_of_the_body_is_refused(where: int, message_signatures: bool) -> None:
    signed = sent_9421() if message_signatures else sent()
    flipped = BODY[:where] + bytes([BODY[where] ^ 1]) + BODY[where + 1 :]
    assert outcome(Signed(signed.headers, flipped)).endswith("digest-mismatch")
