"""Who we are to servers that answer signed questions only: an ActivityPub actor of our own, with a key of its own.

A server that gets a signed request looks the signer up before it answers: the actor's document at `id`, whose key must
be there for the asking (asking us for a signature in turn would lead nowhere), and with Mastodon a WebFinger answer for
`acct:NAME@DOMAIN` that leads back to the same `id`. Both are bytes ready to be served. The actor has no followers and
no posts; its inbox is Lemmy's shared one.

The key is made once and kept in a file that nobody else may read.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from relayfilter.errors import ConfigError
from relayfilter.remote.url import UrlRefused, UrlRules, read_url
from relayfilter.signatures.sign import sign_get

KEY_FILE = "instance-actor.pem"
KEY_BITS = 2048
NAME = "relayfilter"
PATH = "/relayfilter/actor"
DOCUMENT_TYPE = "application/activity+json"
WEBFINGER_TYPE = "application/jrd+json"

# The fetch process reads the same URL once more, by its own rules.
_ANY_NAME = UrlRules(special_use_names=True)


class InstanceActor:
    """`document` is what `id` serves to everybody, as DOCUMENT_TYPE; `webfinger` what WebFinger says of `account`, as
    WEBFINGER_TYPE."""

    def __init__(self, key: rsa.RSAPrivateKey, *, domain: str, path: str = PATH) -> None:
        self._key = key
        self.path = path
        self.id = f"https://{domain}{path}"
        self.key_id = f"{self.id}#main-key"
        self.account = f"acct:{NAME}@{domain}"
        self.document = _document(self, domain, key.public_key())
        self.webfinger = _webfinger(self)

    def signed_headers(self, url: str, now: float) -> tuple[tuple[str, str], ...]:
        """The headers that make a GET of `url` ours; none for what is no URL. `now` is epoch seconds."""
        read = read_url(url, _ANY_NAME)
        if isinstance(read, UrlRefused):
            return ()
        return sign_get(self._key, self.key_id, host=read.authority, target=read.target, now=now)


def load_instance_actor(file: Path, *, domain: str, path: str = PATH) -> InstanceActor:
    """The actor at `https://DOMAIN/PATH` whose key is in `file`, which is made when there is none. Blocks.

    Raises ConfigError for a file that cannot be used, or that others may read.
    """
    try:
        if not file.exists():
            _make(file)
        pem = file.read_bytes()
        mode = file.stat().st_mode
    except OSError as error:
        raise ConfigError(f"the key of the instance actor cannot be kept: {error.strerror}", file=str(file)) from None
    if mode & 0o077:
        raise ConfigError("the key of the instance actor may be read by others: chmod 600", file=str(file))
    return InstanceActor(_read(pem, file), domain=domain, path=path)


def _read(pem: bytes, file: Path) -> rsa.RSAPrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < KEY_BITS:
        message = f"is no RSA key of {KEY_BITS} bits or more in PEM; once it is removed a new one is made at start"
        raise ConfigError(message, file=str(file))
    return key


def _make(file: Path) -> None:
    """A new key in `file`, whole or not at all. One that another process made meanwhile stays."""
    key = rsa.generate_private_key(65537, KEY_BITS)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    unfinished = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(pem)
            stream.flush()
            os.fsync(descriptor)
        with contextlib.suppress(FileExistsError):
            file.hardlink_to(unfinished)
    finally:
        unfinished.unlink()
    _sync(file.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _document(actor: InstanceActor, domain: str, key: rsa.RSAPublicKey) -> bytes:
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
    return _json(
        {
            "@context": ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/v1"],
            "id": actor.id,
            "type": "Application",
            "preferredUsername": NAME,
            "name": NAME,
            "summary": f"Looks at what is delivered to {domain} before it is let in.",
            "inbox": f"https://{domain}/inbox",
            "publicKey": {"id": actor.key_id, "owner": actor.id, "publicKeyPem": pem},
        }
    )


def _webfinger(actor: InstanceActor) -> bytes:
    link = {"rel": "self", "type": DOCUMENT_TYPE, "href": actor.id}
    return _json({"subject": actor.account, "aliases": [actor.id], "links": [link]})


def _json(content: object) -> bytes:
    return json.dumps(content).encode("ascii")
