from __future__ import annotations

import re
from base64 import b64decode

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from relayfilter.signatures.sign import sign_get
from tests.support.signing import keypair

KEY_ID = "https://lemmy.test/relayfilter/actor#main-key"
NOW = 1_700_000_000.25


def private() -> rsa.RSAPrivateKey:
    key = keypair("instance").private
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


@pytest.mark.parametrize("target", ["/", "/users/alice", "/post/1?a=%20b&c", "/%C3%A9"])
def test_the_signature_is_over_what_is_sent(target: str) -> None:
    date, signature = sign_get(private(), KEY_ID, host="a.test", target=target, now=NOW)
    assert date == ("Date", "Tue, 14 Nov 2023 22:13:20 GMT")
    assert signature[0] == "Signature"
    parameters = dict(re.findall(r'([a-zA-Z]+)="([^"]*)"', signature[1]))
    assert parameters["keyId"] == KEY_ID
    assert parameters["algorithm"] == "rsa-sha256"
    assert parameters["headers"] == "(request-target) host date"

    def verify(signed: str) -> None:
        private().public_key().verify(
            b64decode(parameters["signature"]), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
        )

    verify(f"(request-target): get {target}\nhost: a.test\ndate: {date[1]}")
    for other in (
        f"(request-target): post {target}\nhost: a.test\ndate: {date[1]}",
        f"(request-target): get {target}x\nhost: a.test\ndate: {date[1]}",
        f"(request-target): get {target}\nhost: b.test\ndate: {date[1]}",
    ):
        with pytest.raises(InvalidSignature):
            verify(other)
