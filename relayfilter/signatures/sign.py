"""Signing a GET of our own, for servers that show nothing to strangers ("authorized fetch", "secure mode").

draft-cavage-http-signatures-12 over `(request-target) host date` with RSA PKCS#1 v1.5 and SHA-256, which is what
GoToSocial signs itself and what Mastodon asks for at the least. Whoever answers such a request verifies it with the key
that stands at `key_id`.
"""

from __future__ import annotations

from base64 import b64encode
from email.utils import formatdate

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256


def sign_get(
    key: rsa.RSAPrivateKey, key_id: str, *, host: str, target: str, now: float
) -> tuple[tuple[str, str], tuple[str, str]]:
    """The headers `Date` and `Signature` for a GET of `target` (path and query) from `host`, both as they will be sent.

    `now` is epoch seconds. `key_id` is ASCII without quotes."""
    date = formatdate(now, usegmt=True)
    signed = f"(request-target): get {target}\nhost: {host}\ndate: {date}"
    signature = b64encode(key.sign(signed.encode("ascii"), padding.PKCS1v15(), SHA256())).decode("ascii")
    parameters = {
        "keyId": key_id,
        "algorithm": "rsa-sha256",
        "headers": "(request-target) host date",
        "signature": signature,
    }
    return ("Date", date), ("Signature", ",".join(f'{name}="{value}"' for name, value in parameters.items()))
