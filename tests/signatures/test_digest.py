from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest

from relayfilter.signatures.digest import check_content_digest, check_digest
from tests.support.signing import content_digest_header, digest_header

BODY = b'{"type": "Create"}'
GOOD = digest_header(BODY)
MD5 = "md5=:" + b64encode(hashlib.md5(BODY).digest()).decode() + ":"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (GOOD, None),
        (digest_header(BODY, "sha-256"), None),
        (digest_header(BODY, "Sha-256"), None),
        (digest_header(b"another body"), "digest-mismatch"),
        (GOOD.rstrip("="), "digest-mismatch"),
        (GOOD + "=", "digest-mismatch"),
        (GOOD + ";q=1", "digest-mismatch"),
        ("SHA-256=", "digest-mismatch"),
        ("SHA-256= " + GOOD.partition("=")[2], "digest-mismatch"),
        (digest_header(BODY, "SHA-512"), "digest-algorithm"),
        (digest_header(BODY, "MD5"), "digest-algorithm"),
        (digest_header(BODY, "SHA-256 "), "digest-algorithm"),
        (GOOD.partition("=")[2], "digest-algorithm"),
        ("", "digest-algorithm"),
        (f"{GOOD},{GOOD}", "digest-several"),
        (f"{GOOD}, MD5=AAAA", "digest-several"),
        (f"{GOOD},", "digest-several"),
    ],
)
def test_digest(value: str, reason: str | None) -> None:
    bad = check_digest(value.encode(), BODY)
    assert (bad and bad.reason) == reason


@pytest.mark.parametrize(
    ("value", "good"),
    [
        (content_digest_header(BODY), True),
        (content_digest_header(BODY, "sha-512"), True),
        (content_digest_header(BODY) + ", " + content_digest_header(BODY, "sha-512"), True),
        (content_digest_header(b"another body"), False),
        (content_digest_header(BODY) + ", " + content_digest_header(b"another body", "sha-512"), False),
        (content_digest_header(BODY) + ", " + MD5, False),
        (content_digest_header(BODY) + ", " + content_digest_header(BODY), False),
        (MD5, False),
        (GOOD, False),
        ("sha-256=?1", False),
        ("sha-256=:AAAA:", False),
        ("", False),
        ("\xff", False),
    ],
)
def test_content_digest(value: str, good: bool) -> None:
    bad = check_content_digest(value.encode("latin-1"), BODY)
    assert (bad and bad.reason) == (None if good else "content-digest-mismatch")
