from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from relayfilter.signatures.result import BadSignature
from relayfilter.signatures.suites import CAVAGE, RFC9421, message_suite
from tests.support.signing import keypair

KEYS = {kind: keypair("alice", kind).private.public_key() for kind in ("rsa2048", "ed25519", "p256")}
KEYS["p384"] = ec.generate_private_key(ec.SECP384R1()).public_key()


@pytest.mark.parametrize("name", ["rsa-sha256", "hs2019", None])
def test_cavage_is_rsa_with_sha256_whatever_the_name(name: str | None) -> None:
    private = keypair("alice").private
    assert isinstance(private, rsa.RSAPrivateKey)
    verify, signed = CAVAGE[name].verify, b"a signing string"
    good = private.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    assert verify(private.public_key(), good, signed) is None
    for other in (
        private.sign(signed, padding.PKCS1v15(), hashes.SHA512()),
        private.sign(signed, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()),
        private.sign(b"another", padding.PKCS1v15(), hashes.SHA256()),
        good[:-1],
        b"",
    ):
        assert verify(private.public_key(), other, signed) == BadSignature("signature-mismatch")
    for kind in ("ed25519", "p256"):
        bad = verify(KEYS[kind], good, signed)
        assert bad is not None
        assert bad.reason == "key-type-not-allowed"


def test_cavage_names() -> None:
    assert set(CAVAGE) == {"rsa-sha256", "hs2019", None}
    assert [name for name, suite in CAVAGE.items() if not suite.times] == ["rsa-sha256"]


@pytest.mark.parametrize(
    ("name", "kind", "chosen"),
    [
        (None, "rsa2048", "rsa-v1_5-sha256"),
        ("rsa-v1_5-sha256", "rsa2048", "rsa-v1_5-sha256"),
        ("rsa-pss-sha512", "rsa2048", "rsa-pss-sha512"),
        (None, "ed25519", "ed25519"),
        (None, "p256", "ecdsa-p256-sha256"),
        (None, "p384", None),
        ("ed25519", "rsa2048", None),
        ("rsa-v1_5-sha256", "ed25519", None),
        ("ecdsa-p256-sha256", "p384", None),
        ("hmac-sha256", "rsa2048", None),
        ("rsa-sha256", "rsa2048", None),
    ],
)
def test_the_key_decides_and_the_name_may_agree(name: str | None, kind: str, chosen: str | None) -> None:
    suite = message_suite(name, KEYS[kind])
    if chosen is None:
        assert isinstance(suite, BadSignature)
        assert suite.reason == "algorithm-key-mismatch"
    else:
        assert suite is RFC9421[chosen]
