from __future__ import annotations

import warnings
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from hypothesis import example, given
from hypothesis import strategies as st

from relayfilter.errors import MalformedRequest
from relayfilter.signatures.keys import load_public_key
from relayfilter.signatures.result import BadSignature
from relayfilter.signatures.rfc9421 import Rfc9421Claim, precheck_rfc9421, read_rfc9421, verify_rfc9421
from tests.support.signing import (
    FEDIFY,
    WORDPRESS,
    Signed,
    cavage,
    content_digest_header,
    keypair,
    rfc9421,
)

NOW = 1_700_000_000.0
BODY = b'{"id": "https://a.test/activities/1"}'
KEY_ID = "https://a.test/users/alice#main-key"
DOMAINS = frozenset({"lemmy.test"})


def outcome(
    signed: Signed,
    *,
    target: str = "/inbox",
    kind: str = "rsa2048",
    key_id: str = KEY_ID,
    pem: str | None = None,
    domains: frozenset[str] = DOMAINS,
    now: float = NOW,
) -> str:
    request = signed.as_request(target)
    claim = read_rfc9421(request.values(b"signature-input")[0], request.values(b"signature")[0])
    if isinstance(claim, BadSignature):
        return claim.reason
    if bad := precheck_rfc9421(request, claim, domains=domains, now=now):
        return bad.reason
    public_key = load_public_key(pem or keypair("alice", kind).public_pem)
    assert not isinstance(public_key, BadSignature)
    bad = verify_rfc9421(request, claim, public_key, key_id, now=now)
    return "verified" if bad is None else f"crypto: {bad.reason}"


def sent(kind: str = "rsa2048", **how: Any) -> Signed:
    return rfc9421(keypair("alice", kind), KEY_ID, BODY, now=NOW, **how)


PATH = ("@method", "@authority", "@path", "content-digest")


@pytest.mark.parametrize(
    ("signed", "expected"),
    [
        (sent(), "verified"),
        (sent(covered=WORDPRESS), "verified"),
        (sent(covered=PATH), "verified"),
        (sent(algorithm=None), "verified"),
        (sent(algorithm="rsa-pss-sha512"), "verified"),
        (sent(covered=(*FEDIFY, "content-type")), "verified"),
        (sent(covered=("@method", "@target-uri")), "component-not-signed"),
        (sent(covered=("@method",)), "component-not-signed"),
        (sent(covered=("@target-uri", "content-digest")), "component-not-signed"),
        (sent(covered=("@method", "content-digest")), "component-not-signed"),
        (sent(covered=("@method", "@path", "content-digest")), "component-not-signed"),
        (sent(covered=()), "component-not-signed"),
        (sent(algorithm="hmac-sha256"), "algorithm-not-allowed"),
        (sent(algorithm="rsa-sha256"), "algorithm-not-allowed"),
        (sent(algorithm="ed25519"), "crypto: algorithm-key-mismatch"),
        (sent(covered=WORDPRESS, omit=("content-digest",)), "content-digest-missing"),
        (sent(content_digest=content_digest_header(BODY, "sha-512")), "verified"),
        (sent(content_digest=content_digest_header(BODY) + ", md5=:AAAA:"), "content-digest-mismatch"),
        (sent(content_digest=content_digest_header(b"another")), "content-digest-mismatch"),
        (sent(sent_body=BODY + b" "), "content-digest-mismatch"),
        (sent(sent_body=b""), "content-digest-mismatch"),
        (sent(replace={"content-digest": content_digest_header(BODY, "sha-512")}), "crypto: signature-mismatch"),
        (sent(host="evil.test"), "host-not-ours"),
        (sent(signed_authority="evil.test"), "crypto: signature-mismatch"),
        (sent(replace={"date": "Tue, 14 Nov 2023 22:13:21 GMT"}), "crypto: signature-mismatch"),
        (sent(created=-59 * 60), "verified"),
        (sent(created=-62 * 60), "created-outside-window"),
        (sent(created=50), "verified"),
        (sent(created=70), "created-outside-window"),
        (sent(created=None), "signature-malformed"),
        (sent(expires=300), "verified"),
        (sent(expires=-70), "expired"),
    ],
)
def test_what_is_verified(signed: Signed, expected: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert outcome(signed) == expected


@pytest.mark.parametrize("kind", ["ed25519", "p256"])
def test_other_key_types(kind: str) -> None:
    assert outcome(sent(kind, algorithm=None), kind=kind) == "verified"
    assert outcome(sent(kind, algorithm="rsa-v1_5-sha256"), kind=kind) == "crypto: algorithm-key-mismatch"


@pytest.mark.parametrize(
    ("covered", "signed_for", "sent_to", "expected"),
    [
        (WORDPRESS, "/inbox?a=b", "/inbox?a=b", "verified"),
        (WORDPRESS, "/inbox", "/inbox?a=b", "crypto: signature-mismatch"),
        ((*PATH, "@query"), "/inbox?a=b", "/inbox?a=b", "verified"),
        ((*PATH, "@query"), "/inbox?a=b", "/inbox?a=c", "crypto: signature-mismatch"),
        (PATH, "/inbox?a=b", "/inbox?a=b", "component-not-signed"),
        (PATH, "/inbox", "/other", "crypto: signature-mismatch"),
        (WORDPRESS, "/inbox", "@evil.test/inbox", "target-not-a-path"),
    ],
)
def test_targets(covered: tuple[str, ...], signed_for: str, sent_to: str, expected: str) -> None:
    assert outcome(sent(covered=covered, target=signed_for), target=sent_to) == expected


def inputs_and_signature(signed: Signed) -> tuple[str, str]:
    lines = dict(signed.headers)
    return lines[b"Signature-Input"].decode(), lines[b"Signature"].decode()


def with_signatures(inputs: str, signature: str) -> Signed:
    return sent(replace={"signature-input": inputs, "signature": signature})


GOOD_INPUTS, GOOD_SIGNATURE = inputs_and_signature(sent())
FEW_INPUTS, FEW_SIGNATURE = inputs_and_signature(sent(covered=("@method",), label="few"))
OLD_INPUTS, OLD_SIGNATURE = inputs_and_signature(sent(created=-7200, label="old"))


@pytest.mark.parametrize(
    ("inputs", "signature", "expected"),
    [
        (f"{FEW_INPUTS}, {GOOD_INPUTS}", f"{FEW_SIGNATURE}, {GOOD_SIGNATURE}", "verified"),
        (f"{GOOD_INPUTS}, {OLD_INPUTS}", f"{OLD_SIGNATURE}, {GOOD_SIGNATURE}", "verified"),
        (f"{GOOD_INPUTS}, x=()", f"{GOOD_SIGNATURE}, x=:AAAA:", "verified"),
        (f"{FEW_INPUTS}, {OLD_INPUTS}", f"{FEW_SIGNATURE}, {OLD_SIGNATURE}", "created-outside-window"),
        (f"{GOOD_INPUTS}, {FEW_INPUTS}", GOOD_SIGNATURE, "signature-malformed"),
        (GOOD_INPUTS, f"{GOOD_SIGNATURE}, x=:AAAA:", "signature-malformed"),
        (GOOD_INPUTS, GOOD_SIGNATURE.replace("sig1", "sig2"), "signature-malformed"),
        (f"{GOOD_INPUTS}, {GOOD_INPUTS}", GOOD_SIGNATURE, "signature-malformed"),
        (f"{GOOD_INPUTS};created=1", GOOD_SIGNATURE, "signature-malformed"),
        (GOOD_INPUTS, "sig1=:AAAA:", "crypto: signature-mismatch"),
        (GOOD_INPUTS, 'sig1="AAAA"', "signature-malformed"),
        (GOOD_INPUTS, "", "signature-malformed"),
        ("", GOOD_SIGNATURE, "signature-malformed"),
        ("sig1=1;keyid", GOOD_SIGNATURE, "signature-malformed"),
        (GOOD_INPUTS.replace("keyid", "keyID"), GOOD_SIGNATURE, "signature-malformed"),
        (GOOD_INPUTS.replace(f'"{KEY_ID}"', "token"), GOOD_SIGNATURE, "signature-malformed"),
        (GOOD_INPUTS.replace("created=1700000000", "created=1700000000.0"), GOOD_SIGNATURE, "signature-malformed"),
        (GOOD_INPUTS.replace("created=1700000000", "created=?1"), GOOD_SIGNATURE, "signature-malformed"),
        (GOOD_INPUTS.replace("created=1700000000", "created=@1700000000"), GOOD_SIGNATURE, "signature-malformed"),
        (GOOD_INPUTS.replace('"@method"', "method"), GOOD_SIGNATURE, "signature-malformed"),
        (GOOD_INPUTS + ";unknown=1", GOOD_SIGNATURE, "crypto: signature-mismatch"),
        (GOOD_INPUTS.replace('"@method"', '"@method" "@method"'), GOOD_SIGNATURE, "crypto: signature-mismatch"),
        (
            GOOD_INPUTS.replace('"content-digest"', '"content-digest";key="sha-256"'),
            GOOD_SIGNATURE,
            "component-not-signed",
        ),
        (GOOD_INPUTS.replace('"@method"', '"@method";req'), GOOD_SIGNATURE, "component-not-signed"),
    ],
)
def test_several_and_crooked_signatures(inputs: str, signature: str, expected: str) -> None:
    assert outcome(with_signatures(inputs, signature)) == expected


def test_a_cavage_signature_is_no_dictionary() -> None:
    old = dict(cavage(keypair("alice"), KEY_ID, BODY, now=NOW).headers)[b"Signature"].decode()
    assert outcome(with_signatures(GOOD_INPUTS, old)) == "signature-malformed"
    lower = old.replace("keyId", "keyid")
    assert outcome(with_signatures(GOOD_INPUTS, lower)) == "signature-malformed"


@pytest.mark.parametrize(
    ("inputs", "signature", "reason"),
    [
        (",".join(f'l{n}=("a")' for n in range(5)), "l0=:AAAA:", "signature-too-many-labels"),
        (GOOD_INPUTS, ",".join(f"l{n}=:AAAA:" for n in range(5)), "signature-too-many-labels"),
        ("sig1=(" + " ".join(f'"c{n}"' for n in range(33)) + ")", "sig1=:AAAA:", "signature-too-many-components"),
    ],
)
def test_too_many(inputs: str, signature: str, reason: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        read_rfc9421(inputs.encode(), signature.encode())
    assert (caught.value.status, caught.value.reason) == (400, reason)


def test_only_signatures_by_the_key_in_hand_are_tried() -> None:
    assert outcome(sent(), key_id="https://a.test/users/bob#main-key") == "crypto: key-not-used"
    theirs = inputs_and_signature(rfc9421(keypair("bob"), "https://b.test/u#k", BODY, now=NOW, label="theirs"))
    both = with_signatures(f"{theirs[0]}, {GOOD_INPUTS}", f"{theirs[1]}, {GOOD_SIGNATURE}")
    assert outcome(both) == "verified"
    claim = read_rfc9421(*(dict(both.headers)[name] for name in (b"Signature-Input", b"Signature")))
    assert isinstance(claim, Rfc9421Claim)
    assert claim.key_ids == ("https://b.test/u#k", KEY_ID)


def test_verification_looks_at_the_body_itself() -> None:
    request = sent(sent_body=b"{}").as_request()
    claim = read_rfc9421(request.values(b"signature-input")[0], request.values(b"signature")[0])
    assert isinstance(claim, Rfc9421Claim)
    public_key = load_public_key(keypair("alice").public_pem)
    assert not isinstance(public_key, BadSignature)
    bad = verify_rfc9421(request, claim, public_key, KEY_ID, now=NOW)
    assert bad is not None
    assert bad.reason == "signature-mismatch"


@given(st.binary(max_size=100), st.binary(max_size=60))
@example(GOOD_INPUTS.encode(), GOOD_SIGNATURE.encode())
@example(b'a=("x";y=:AA==:);created=1;keyid="k"', b"a=:AAAA:")
@example(b'a=(%"x");created=1;keyid=%"k"', b"a=:AAAA:")
@example(b"a=();created=1.5;keyid=@1", b"a=:AAAA:")
def test_any_bytes_are_a_claim_or_refused(inputs: bytes, signature: bytes) -> None:
    try:
        claim = read_rfc9421(inputs, signature)
    except MalformedRequest:
        return
    assert isinstance(claim, Rfc9421Claim | BadSignature)


# RFC 9421, sections 4.3 and B.1: one message that its client signed (ECDSA) and a proxy signed again (RSA).
VECTOR_BODY = b'{"hello": "world"}'
VECTOR_HEADERS = [
    (b"Date", b"Tue, 20 Apr 2021 02:07:55 GMT"),
    (b"Content-Type", b"application/json"),
    (
        b"Content-Digest",
        b"sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
    ),
    (b"Content-Length", b"18"),
    (b"Forwarded", b"for=192.0.2.123;host=example.com;proto=https"),
    (
        b"Signature-Input",
        b'sig1=("@method" "@authority" "@path" "content-digest" "content-type" "content-length");created=1618884475'
        b';keyid="test-key-ecc-p256", '
        b'proxy_sig=("@method" "@authority" "@path" "content-digest" "content-type" "content-length" "forwarded")'
        b';created=1618884480;keyid="test-key-rsa";alg="rsa-v1_5-sha256";expires=1618884540',
    ),
    (
        b"Signature",
        b"sig1=:X5spyd6CFnAG5QnDyHfqoSNICd+BUP4LYMz2Q0JXlb//4Ijpzp+kve2w4NIyqeAuM7jTDX+sNalzA8ESSaHD3A==:, "
        b"proxy_sig=:S6ZzPXSdAMOPjN/6KXfXWNO/f7V6cHm7BXYUh3YD/fRad4BCaRZxP+JH+8XY1I6+8Cy+CM5g92iHgxtRPz+MjniOaYmdkDcn"
        b"L9cCpXJleXsOckpURl49GwiyUpZ10KHgOEe11sx3G2gxI8S0jnxQB+Pu68U9vVcasqOWAEObtNKKZd8tSFu7LB5YAv0RAGhB8tmpv7sFnIm9"
        b"y+7X5kXQfi8NMaZaA8i2ZHwpBdg7a6CMfwnnrtflzvZdXAsD3LH2TwevU+/PBPv0B6NMNk93wUs/vfJvye+YuI87HU38lZHowtznbLVdp770"
        b"I6VHR6WfgS9ddzirrswsE1w5o0LV/g==:",
    ),
]
ECC_PEM = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf
w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
-----END PUBLIC KEY-----
"""
RSA_PKCS1_PEM = b"""-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAhAKYdtoeoy8zcAcR874L8cnZxKzAGwd7v36APp7Pv6Q2jdsPBRrw
WEBnez6d0UDKDwGbc6nxfEXAy5mbhgajzrw3MOEt8uA5txSKobBpKDeBLOsdJKFq
MGmXCQvEG7YemcxDTRPxAleIAgYYRjTSd/QBwVW9OwNFhekro3RtlinV0a75jfZg
kne/YiktSvLG34lw2zqXBDTC5NHROUqGTlML4PlNZS5Ri2U4aCNx2rUPRcKIlE0P
uKxI4T+HIaFpv8+rdV6eUgOrB2xeI1dSFFn/nnv5OoZJEIB+VmuKn3DCUcCZSFlQ
PSXSfBDiUGhwOw76WuSSsf1D4b/vLoJ10wIDAQAB
-----END RSA PUBLIC KEY-----
"""


def rsa_spki() -> str:
    loaded = load_pem_public_key(RSA_PKCS1_PEM)
    assert isinstance(loaded, rsa.RSAPublicKey)
    return loaded.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    ("host", "key_id", "pem", "now", "expected"),
    [
        ("example.com", "test-key-ecc-p256", ECC_PEM, 1618884500, "verified"),
        ("origin.host.internal.example", "test-key-rsa", rsa_spki(), 1618884500, "verified"),
        ("example.com", "test-key-rsa", rsa_spki(), 1618884500, "crypto: signature-mismatch"),
        ("origin.host.internal.example", "test-key-ecc-p256", ECC_PEM, 1618884500, "crypto: signature-mismatch"),
        ("origin.host.internal.example", "test-key-rsa", rsa_spki(), 1618884700, "crypto: expired"),
    ],
)
def test_vectors_of_the_rfc(host: str, key_id: str, pem: str, now: float, expected: str) -> None:
    signed = Signed([(b"Host", host.encode()), *VECTOR_HEADERS], VECTOR_BODY)
    assert outcome(signed, target="/foo", key_id=key_id, pem=pem, domains=frozenset({host}), now=now) == expected
