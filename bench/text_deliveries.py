"""Signed text deliveries as raw requests, made before the clock starts."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_SIGNED = "(request-target) host date digest content-type"
_TEXT = "Nothing to look at here, only words. " * 20


def text_deliveries(
    count: int, key: rsa.RSAPrivateKey, *, actor: str, key_id: str, host: str, first: int = 0
) -> list[bytes]:
    """`count` POSTs to `/inbox` of a note without media, each with an activity id of its own, signed as Mastodon does
    (draft-cavage, rsa-sha256). Each takes about a millisecond to sign."""
    return [_delivery(number, key, actor, key_id, host) for number in range(first, first + count)]


def _delivery(number: int, key: rsa.RSAPrivateKey, actor: str, key_id: str, host: str) -> bytes:
    body = json.dumps(_activity(number, actor)).encode()
    fields = {
        "host": host,
        "date": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "digest": "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode(),
        "content-type": "application/activity+json",
    }
    text = "\n".join(["(request-target): post /inbox", *(f"{name}: {value}" for name, value in fields.items())])
    signature = base64.b64encode(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
    lines = [
        "POST /inbox HTTP/1.1",
        *(f"{name.title()}: {value}" for name, value in fields.items()),
        "User-Agent: bench",
        "Accept-Encoding: gzip",
        f"Content-Length: {len(body)}",
        f'Signature: keyId="{key_id}",algorithm="rsa-sha256",headers="{_SIGNED}",signature="{signature}"',
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _activity(number: int, actor: str) -> dict[str, object]:
    note = f"{actor}/notes/{number}"
    public = "https://www.w3.org/ns/activitystreams#Public"
    return {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": f"{note}/activity",
        "type": "Create",
        "actor": actor,
        "to": [public],
        "object": {
            "id": note,
            "type": "Note",
            "attributedTo": actor,
            "to": [public],
            "content": f"<p>{_TEXT}</p>",
            "published": "2026-01-01T00:00:00Z",
        },
    }
