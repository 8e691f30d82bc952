"""A signing client of our own making: deliveries as every kind of sender signs them, and as none should.

Written from the drafts and RFCs with `cryptography` alone, so that it shares no mistake with `relayfilter.signatures`.

    body = b'{"id": ...}'
    signed = cavage(keypair("alice"), "https://a.test/users/alice#main-key", body, **SENDERS["mastodon"])
    wire = signed.on_the_wire("/inbox")

`SENDERS` holds the shapes by name. What is sent can differ from what is signed: `omit` and `replace` change header
lines after signing, `sent_body` the body, and `signed_target` what `(request-target)` says.
"""

from __future__ import annotations

import functools
import hashlib
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from relayfilter.request import HeaderLine, InboxRequest

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
Headers = list[tuple[bytes, bytes]]

DEFAULT_HOST = "lemmy.test"
ACTIVITY_JSON = "application/activity+json"


class Keypair(NamedTuple):
    """A private key and the SubjectPublicKeyInfo PEM of its public half."""

    private: PrivateKey
    public_pem: str


@functools.cache
def keypair(name: str, kind: str = "rsa2048") -> Keypair:
    """The key of `name`, made once a test run. `kind`: rsa1024, rsa2048, rsa4096, ..., ed25519, p256."""
    private: PrivateKey
    if kind.startswith("rsa"):
        private = rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))
    elif kind == "ed25519":
        private = ed25519.Ed25519PrivateKey.generate()
    else:
        assert kind == "p256"
        private = ec.generate_private_key(ec.SECP256R1())
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return Keypair(private, pem.decode("ascii"))


class Signed(NamedTuple):
    """The header lines (Host first, Content-Length last) and the body of a signed POST."""

    headers: Headers
    body: bytes

    def on_the_wire(self, target: str = "/inbox") -> bytes:
        """The HTTP/1.1 request for a raw socket."""
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in self.headers)
        return f"POST {target} HTTP/1.1\r\n".encode("ascii") + lines + b"\r\n" + self.body

    def as_request(self, target: str = "/inbox", *, received_at: float = 0.0) -> InboxRequest:
        """The request as the wire hands it on."""
        lines = tuple(
            HeaderLine(name.lower(), value.strip(b" \t"), name + b": " + value) for name, value in self.headers
        )
        return InboxRequest("POST", target.encode("latin-1"), lines, self.body, received_at, "192.0.2.1:1")


def digest_header(body: bytes, label: str = "SHA-256") -> str:
    return f"{label}={b64encode(hashlib.sha256(body).digest()).decode()}"


def content_digest_header(body: bytes, algorithm: str = "sha-256") -> str:
    digest = hashlib.new(algorithm.replace("-", ""), body).digest()
    return f"{algorithm}=:{b64encode(digest).decode()}:"


def http_date(at: float) -> str:
    return formatdate(at, usegmt=True)


SENDERS: dict[str, dict[str, Any]] = {
    "mastodon": {"covered": ("(request-target)", "host", "date", "digest", "content-type")},
    "lemmy": {"covered": ("(request-target)", "content-type", "date", "digest", "host"), "algorithm": "hs2019"},
    "gotosocial": {"algorithm": "hs2019"},
    "gotosocial-without-query": {"algorithm": "hs2019", "signed_target": "/inbox"},
    "nodebb": {"algorithm": "hs2019", "covered": ("(request-target)", "host", "date", "digest")},
    "misskey": {"covered": ("(request-target)", "date", "host", "digest")},
    "peertube": {"covered": ("(request-target)", "host", "date", "digest")},
    "piefed": {"covered": ("(request-target)", "host", "date", "digest", "content-type"), "signed_target": "/inbox"},
    "pixelfed": {"covered": ("(request-target)", "date", "host", "accept", "digest"), "signed_target": "/inbox"},
    "mbin": {"covered": ("(request-target)", "date", "host", "accept", "digest")},
    "akkoma": {"covered": ("(request-target)", "content-length", "date", "digest", "host")},
    "hs2019-created": {
        "algorithm": "hs2019",
        "covered": ("(request-target)", "(created)", "(expires)", "host", "digest"),
        "created": 0,
        "expires": 300,
    },
    "without-algorithm": {"algorithm": None},
}
"""Keyword arguments for `cavage`, by sender. Those with `signed_target` leave out the query."""


def cavage(
    key: Keypair,
    key_id: str,
    body: bytes,
    *,
    host: str = DEFAULT_HOST,
    target: str = "/inbox",
    now: float | None = None,
    covered: Sequence[str] | None = ("(request-target)", "host", "date", "digest"),
    algorithm: str | None = "rsa-sha256",
    date_offset: float = 0,
    created: float | None = None,
    expires: float | None = None,
    signed_target: str | None = None,
    digest: str | None = None,
    content_type: str = ACTIVITY_JSON,
    omit: Sequence[str] = (),
    replace: Mapping[str, str] | None = None,
    extra: Sequence[tuple[str, str]] = (),
    sent_body: bytes | None = None,
    authorization: bool = False,
) -> Signed:
    """A draft-cavage POST.

    `created` and `expires` are seconds from now; `covered=None` leaves the `headers` parameter out. `omit` takes whole
    lines out and `replace` gives them another value, both after signing; `extra` lines are added at the end, unsigned.
    """
    at = time.time() if now is None else now
    headers = {
        "host": host,
        "date": http_date(at + date_offset),
        "digest": digest_header(body) if digest is None else digest,
        "content-type": content_type,
        "accept": ACTIVITY_JSON,
        "user-agent": "test-sender/1.0",
    }
    pseudo = {
        "(request-target)": f"post {target if signed_target is None else signed_target}",
        "content-length": str(len(body)),
    }
    parameters = [f'keyId="{key_id}"']
    if algorithm is not None:
        parameters.append(f'algorithm="{algorithm}"')
    for name, offset in (("created", created), ("expires", expires)):
        if offset is not None:
            pseudo[f"({name})"] = str(int(at + offset))
            parameters.append(f"{name}={int(at + offset)}")
    if covered is not None:
        parameters.append(f'headers="{" ".join(covered)}"')
    known = headers | pseudo
    signing_string = "\n".join(f"{name}: {known.get(name, '')}" for name in covered or ("date",))
    signature = _sign_with_sha256(key.private, signing_string.encode("utf-8"))
    parameters.append(f'signature="{b64encode(signature).decode()}"')
    field, prefix = ("authorization", "Signature ") if authorization else ("signature", "")
    headers[field] = prefix + ",".join(parameters)
    return _finish(headers, body if sent_body is None else sent_body, omit, replace, extra)


FEDIFY = ("@method", "@target-uri", "@authority", "host", "date", "content-digest")
WORDPRESS = ("@method", "@target-uri", "content-digest")


def rfc9421(
    key: Keypair,
    key_id: str,
    body: bytes,
    *,
    host: str = DEFAULT_HOST,
    target: str = "/inbox",
    now: float | None = None,
    covered: Sequence[str] = FEDIFY,
    label: str = "sig1",
    algorithm: str | None = "rsa-v1_5-sha256",
    created: float | None = 0,
    expires: float | None = None,
    signed_authority: str | None = None,
    content_digest: str | None = None,
    content_type: str = ACTIVITY_JSON,
    omit: Sequence[str] = (),
    replace: Mapping[str, str] | None = None,
    extra: Sequence[tuple[str, str]] = (),
    sent_body: bytes | None = None,
) -> Signed:
    """An RFC 9421 POST, by default in Fedify's shape.

    `algorithm` is what `alg` says (None: nothing); the key decides what is done, except that `rsa-pss-sha512` is
    honoured. `signed_authority`: the host that the sender believes in.
    """
    at = time.time() if now is None else now
    headers = {
        "host": host,
        "date": http_date(at),
        "content-digest": content_digest_header(body) if content_digest is None else content_digest,
        "content-type": content_type,
        "accept": ACTIVITY_JSON,
    }
    authority = (host if signed_authority is None else signed_authority).lower()
    path, question, query = target.partition("?")
    derived = {
        "@method": "POST",
        "@target-uri": f"https://{authority}{target}",
        "@authority": authority,
        "@path": path,
        "@query": f"?{query}",
        "@scheme": "https",
        "@request-target": f"{path}{question}{query}",
    }
    known = headers | derived
    parameters = "(" + " ".join(f'"{name}"' for name in covered) + ")"
    if created is not None:
        parameters += f";created={int(at + created)}"
    if expires is not None:
        parameters += f";expires={int(at + expires)}"
    parameters += f';keyid="{key_id}"'
    if algorithm is not None:
        parameters += f';alg="{algorithm}"'
    base = [f'"{name}": {known[name]}' for name in covered] + [f'"@signature-params": {parameters}']
    signature = _sign_message(key.private, algorithm, "\n".join(base).encode("utf-8"))
    headers["signature-input"] = f"{label}={parameters}"
    headers["signature"] = f"{label}=:{b64encode(signature).decode()}:"
    return _finish(headers, body if sent_body is None else sent_body, omit, replace, extra)


def _finish(
    headers: dict[str, str],
    body: bytes,
    omit: Sequence[str],
    replace: Mapping[str, str] | None,
    extra: Sequence[tuple[str, str]],
) -> Signed:
    headers |= replace or {}
    lines = [(name.title(), value) for name, value in headers.items() if name not in omit]
    lines += [*extra, ("Content-Length", str(len(body)))]
    return Signed([(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines], body)


def _sign_with_sha256(private: PrivateKey, message: bytes) -> bytes:
    if isinstance(private, rsa.RSAPrivateKey):
        return private.sign(message, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return private.sign(message)
    return private.sign(message, ec.ECDSA(hashes.SHA256()))


def _sign_message(private: PrivateKey, algorithm: str | None, message: bytes) -> bytes:
    if isinstance(private, rsa.RSAPrivateKey) and algorithm == "rsa-pss-sha512":
        return private.sign(message, padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512())
    signature = _sign_with_sha256(private, message)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(signature)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return signature
