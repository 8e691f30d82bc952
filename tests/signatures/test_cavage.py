from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relayfilter.errors import MalformedRequest
from relayfilter.signatures.cavage import CavageClaim, precheck_cavage, read_cavage, verify_cavage
from relayfilter.signatures.keys import load_public_key
from relayfilter.signatures.result import BadSignature
from tests.support.signing import Signed, cavage, digest_header, keypair

NOW = 1_700_000_000.0
BODY = b'{"id": "https://a.test/activities/1"}'
KEY_ID = "https://a.test/users/alice#main-key"
DOMAINS = frozenset({"lemmy.test"})
HEADER = 'keyId="k",algorithm="hs2019",created=1,expires=2,headers="(request-target) host",signature="AAAA"'


def test_the_claim() -> None:
    assert read_cavage(HEADER.encode()) == CavageClaim(
        "k", "hs2019", ("(request-target)", "host"), 1, 2, b"\x00\x00\x00"
    )


@pytest.mark.parametrize(
    ("header", "claim"),
    [
        (HEADER.replace(",", " ,\t"), read_cavage(HEADER.encode())),
        (HEADER.replace("created=1,expires=2", 'created="1",expires="2"'), read_cavage(HEADER.encode())),
        (HEADER + ',opaque="x",n=3', read_cavage(HEADER.encode())),
        (HEADER.replace(" host", " Host"), read_cavage(HEADER.encode())),
        ('keyId="k",signature="AAAA"', CavageClaim("k", None, ("(created)",), None, None, b"\x00\x00\x00")),
    ],
)
def test_other_spellings(header: str, claim: CavageClaim) -> None:
    assert read_cavage(header.encode()) == claim


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        ",",
        HEADER + ",",
        "," + HEADER,
        HEADER.replace(",", ";"),
        HEADER.replace(",", " "),
        HEADER + " x",
        HEADER.replace('"k"', "k"),
        HEADER.replace('"k"', '"k'),
        HEADER.replace('"k"', '""'),
        HEADER.replace('"k"', '"a,b"'),
        HEADER.replace('"k"', r'"a\"b"'),
        HEADER.replace('"k"', '"\u00e9"'),
        HEADER.replace('"k"', '"a\tb"'),
        HEADER.replace("keyId=", "keyId ="),
        HEADER.replace("keyId", "keyid"),
        HEADER.replace("created=1", "created=-1"),
        HEADER.replace("created=1", "created=1.5"),
        HEADER.replace("created=1", 'created="now"'),
        HEADER.replace("created=1", "created=" + "9" * 5000),
        HEADER.replace("(request-target) host", "host host"),
        HEADER.replace("(request-target) host", "host  date"),
        HEADER.replace("(request-target) host", "HOST host"),
        HEADER.replace("(request-target) host", ""),
        HEADER.replace("AAAA", ""),
        HEADER.replace("AAAA", "AAA"),
        HEADER.replace("AAAA", "AA=A"),
        HEADER.replace("AAAA", "A-_A"),
        HEADER.replace("AAAA", "AAAA "),
        HEADER.replace(',signature="AAAA"', ""),
    ],
)
def test_malformed(header: str) -> None:
    claim = read_cavage(header.encode())
    assert isinstance(claim, BadSignature)
    assert claim.reason == "signature-malformed"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (HEADER + ',keyId="k"', "signature-parameter-twice"),
        (HEADER + ',KEYID="other"', "signature-parameter-twice"),
        (HEADER + ",x=1,x=2", "signature-parameter-twice"),
        (HEADER.replace("host", " ".join(map(str, range(32)))), "signature-too-many-components"),
    ],
)
def test_read_two_ways(header: str, reason: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        read_cavage(header.encode())
    assert (caught.value.status, caught.value.reason) == (400, reason)


_PIECES = st.sampled_from(
    ["keyId", "signature", "headers", "created", "=", '"', ",", "\\", " ", "1", "AAAA", "host", "(created)", "\xe9"]
)


@given(st.binary(max_size=200) | st.lists(_PIECES, max_size=30).map(lambda pieces: "".join(pieces).encode()))
@example(HEADER.encode())
def test_any_bytes_are_a_claim_or_refused(value: bytes) -> None:
    try:
        claim = read_cavage(value)
    except MalformedRequest:
        return
    assert isinstance(claim, CavageClaim | BadSignature)


def outcome(signed: Signed, target: str = "/inbox", now: float = NOW) -> str:
    request = signed.as_request(target)
    claim = read_cavage(request.values(b"signature")[0])
    assert isinstance(claim, CavageClaim)
    if bad := precheck_cavage(request, claim, domains=DOMAINS, now=now):
        return bad.reason
    public_key = load_public_key(keypair("alice").public_pem)
    assert not isinstance(public_key, BadSignature)
    bad = verify_cavage(request, claim, public_key)
    return "verified" if bad is None else f"crypto: {bad.reason}"


def sent(**how: object) -> Signed:
    return cavage(keypair("alice"), KEY_ID, BODY, now=NOW, **how)  # type: ignore[arg-type]


ALL = ("(request-target)", "host", "date", "digest")
TIMES = ("(request-target)", "host", "digest", "(created)", "(expires)")


@pytest.mark.parametrize(
    ("signed", "expected"),
    [
        (sent(), "verified"),
        (sent(algorithm="rsa-sha1"), "algorithm-not-allowed"),
        (sent(algorithm="hmac-sha256"), "algorithm-not-allowed"),
        (sent(algorithm="RSA-SHA256"), "algorithm-not-allowed"),
        (sent(covered=("(request-target)", "host", "digest", "(created)"), created=0), "created-not-allowed"),
        (sent(covered=("host", "date", "digest")), "header-not-signed"),
        (sent(covered=("(request-target)", "date", "digest")), "header-not-signed"),
        (sent(covered=("(request-target)", "host", "date")), "header-not-signed"),
        (sent(covered=("(request-target)", "host", "digest")), "header-not-signed"),
        (sent(covered=None, algorithm="hs2019"), "header-not-signed"),
        (sent(omit=("digest",)), "header-missing"),
        (sent(omit=("date",)), "header-missing"),
        (sent(omit=("host",)), "header-missing"),
        (sent(covered=(*ALL, "x-absent")), "header-missing"),
        (sent(covered=(*ALL, "(created)"), algorithm="hs2019"), "header-missing"),
        (sent(covered=(*ALL, "(nonsense)"), algorithm="hs2019"), "header-missing"),
        (sent(covered=(*ALL, "user-agent"), extra=[("User-Agent", "twice")]), "header-repeated"),
        (sent(extra=[("X-Unsigned", "1"), ("X-Unsigned", "2")]), "verified"),
        (sent(host="evil.test"), "host-not-ours"),
        (sent(replace={"digest": digest_header(b"another")}), "digest-mismatch"),
        (sent(sent_body=BODY + b" "), "digest-mismatch"),
        (sent(digest=digest_header(BODY, "sha-256")), "verified"),
        (sent(digest=digest_header(BODY) + "," + digest_header(BODY)), "digest-several"),
        (sent(digest="SHA-512=AAAA"), "digest-algorithm"),
        (sent(replace={"host": "LEMMY.test"}), "crypto: signature-mismatch"),
        (sent(replace={"accept": "*/*"}), "verified"),
        (sent(covered=(*ALL, "accept"), replace={"accept": "*/*"}), "crypto: signature-mismatch"),
        (sent(covered=(*ALL, "accept"), replace={"accept": "\xe9"}), "crypto: header-not-ascii"),
        (sent(signed_target="/other"), "crypto: signature-mismatch"),
    ],
)
def test_what_is_verified(signed: Signed, expected: str) -> None:
    assert outcome(signed) == expected


@pytest.mark.parametrize(
    ("signed", "expected"),
    [
        (sent(date_offset=-59 * 60), "verified"),
        (sent(date_offset=59 * 60), "verified"),
        (sent(date_offset=-61 * 60), "date-outside-window"),
        (sent(date_offset=61 * 60), "date-outside-window"),
        (sent(replace={"date": "yesterday"}), "date-unreadable"),
        (sent(replace={"date": "Tue, 14 Nov 2023 22:13:20 +0000"}), "date-unreadable"),
        (sent(replace={"date": "Tue, 31 Feb 2023 22:13:20 GMT"}), "date-unreadable"),
        (sent(replace={"date": "Tue, 14 Nov 2023 24:13:20 GMT"}), "date-unreadable"),
        (sent(replace={"date": "Tuesday, 14-Nov-23 22:13:20 GMT"}), "date-unreadable"),
        (sent(replace={"date": "Tue, 14 Nov 2023 22:13:20 GMT, x"}), "date-unreadable"),
        (sent(covered=TIMES, algorithm="hs2019", created=0, expires=300), "verified"),
        (sent(covered=TIMES, algorithm=None, created=0, expires=300, omit=("date",)), "verified"),
        (sent(covered=TIMES, algorithm="hs2019", created=-59 * 60, expires=1), "verified"),
        (sent(covered=TIMES, algorithm="hs2019", created=50, expires=300), "verified"),
        (sent(covered=TIMES, algorithm="hs2019", created=70, expires=300), "created-outside-window"),
        (sent(covered=TIMES, algorithm="hs2019", created=-61 * 60, expires=300), "created-outside-window"),
        (sent(covered=TIMES, algorithm="hs2019", created=-10, expires=-1), "expired"),
        (sent(created=-61 * 60), "created-outside-window"),
        (sent(expires=-1), "expired"),
    ],
)
def test_times(signed: Signed, expected: str) -> None:
    assert outcome(signed) == expected


@pytest.mark.parametrize(
    ("signed_for", "sent_to", "expected"),
    [
        ("/inbox", "/inbox", "verified"),
        ("/inbox?page=1", "/inbox?page=1", "verified"),
        ("/inbox", "/inbox?page=1", "crypto: signature-mismatch"),
        ("/inbox?", "/inbox", "crypto: signature-mismatch"),
        ("//inbox", "//inbox", "verified"),
        ("/c/a%2Fb/inbox", "/c/a%2Fb/inbox", "verified"),
        ("/c/a%2fb/inbox", "/c/a%2Fb/inbox", "crypto: signature-mismatch"),
    ],
)
def test_the_target_is_signed_as_it_was_sent(signed_for: str, sent_to: str, expected: str) -> None:
    assert outcome(sent(target=signed_for), sent_to) == expected


def test_one_flipped_bit_in_the_signature() -> None:
    request = sent().as_request()
    claim = read_cavage(request.values(b"signature")[0])
    assert isinstance(claim, CavageClaim)
    flipped = bytes([claim.signature[0] ^ 1]) + claim.signature[1:]
    header = sent(replace={"signature": "x"}).headers
    value = (
        f'keyId="{KEY_ID}",algorithm="rsa-sha256",headers="{" ".join(ALL)}",signature="{b64encode(flipped).decode()}"'
    )
    lines = [(name, value.encode() if name == b"Signature" else old) for name, old in header]
    assert outcome(Signed(lines, BODY)) == "crypto: signature-mismatch"
