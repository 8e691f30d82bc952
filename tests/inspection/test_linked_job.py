from __future__ import annotations

import json
from typing import Any

import pytest

from relayfilter.inspection.linked_job import read_linked
from relayfilter.inspection.messages import MAX_LINKED_MEDIA, LinkedJob, LinkedReport
from tests.activity.test_jsonld import HIDDEN, post
from tests.support.linked_signing import sign_linked, sign_proof
from tests.support.signing import keypair

RSA, ED25519 = keypair("alice"), keypair("alice", "ed25519")
SIGNED = sign_linked(
    sign_proof(post(**{"as:image": HIDDEN}), ED25519, "https://a.test/#two"), RSA, "https://a.test/#one"
)


def read(document: Any, **job: Any) -> LinkedReport:
    body = json.dumps(document).encode()
    return read_linked(bytearray(body), LinkedJob(len(body), 1.0, **{"media": False, **job}))


@pytest.mark.parametrize(
    ("job", "signature", "proof", "media"),
    [
        ({}, None, None, 0),
        ({"media": True}, None, None, 1),
        ({"signature_key": RSA.public_pem}, "valid", None, 0),
        ({"proof_key": ED25519.public_pem}, None, "valid", 0),
        ({"signature_key": ED25519.public_pem, "proof_key": "x"}, "invalid: key-not-rsa", "invalid: key-unreadable", 0),
    ],
)
def test_does_what_is_asked(job: dict[str, Any], signature: str | None, proof: str | None, media: int) -> None:
    report = read(SIGNED, **job)
    assert (report.signature, report.proof, len(report.media)) == (signature, proof, media)
    assert report.unreadable is None


def test_says_nothing_of_signatures_that_are_not_there() -> None:
    keys = {"signature_key": RSA.public_pem, "proof_key": ED25519.public_pem}
    assert read({"signature": 7, "proof": 7}, **keys) == read({}, **keys) == LinkedReport()


def test_says_why_media_cannot_be_read() -> None:
    assert read({"@context": "https://evil.test/"}, media=True) == LinkedReport(unreadable="unknown-context")
    names = "".join(f"<img src='https://a.test/{n % 60}.png'>" for n in range(120))
    many = post(**{"as:content": names, "as:summary": names})
    assert read(many, media=True) == LinkedReport(unreadable="too-many-references")
    few = post(**{"as:content": [f"<img src='https://a.test/{n}.png'>" for n in range(MAX_LINKED_MEDIA)]})
    assert len(read(few, media=True).media) == MAX_LINKED_MEDIA
