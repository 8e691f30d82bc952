"""Actors of the loopback fediverse: their keys, and the documents that publish them in the shape of each software."""

from __future__ import annotations

from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tests.support.signing import Keypair, keypair

Software = Literal["mastodon", "lemmy", "gotosocial", "misskey", "wordpress"]
Kind = Literal["Person", "Group", "Application", "Service"]

ACTIVITYSTREAMS = "https://www.w3.org/ns/activitystreams"
SECURITY = "https://w3id.org/security/v1"
LEMMY_CONTEXT = ["https://join-lemmy.org/context.json", ACTIVITYSTREAMS]
PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


class Actor:
    """Somebody on `host`. Where the actor and the key are found depends on the software:

    | software | actor | keyId | what the keyId's URL serves |
    |---|---|---|---|
    | mastodon | /users/NAME | actor#main-key | the actor |
    | lemmy | /u/NAME, /c/NAME for a Group | actor#main-key | the actor |
    | gotosocial | /users/NAME | actor/main-key | a stub of the actor, whose id is the actor's |
    | misskey | /users/NAME | actor/publickey | the key alone, with `owner` |
    | wordpress | /?author=NAME | actor#main-key | the actor |
    """

    def __init__(self, host: str, name: str, *, kind: Kind = "Person", software: Software = "mastodon") -> None:
        self.host = host
        self.name = name
        self.kind = kind
        self.software = software
        self.generation = 0
        self.extra: dict[str, Any] = {}
        match software:
            case "lemmy":
                self.path = f"/c/{name}" if kind == "Group" else f"/u/{name}"
            case "wordpress":
                self.path = f"/?author={name}"
            case _:
                self.path = f"/users/{name}"
        self.id = f"https://{host}{self.path}"
        self.key_path = self.path + {"gotosocial": "/main-key", "misskey": "/publickey"}.get(software, "")
        self.key_id = f"https://{host}{self.key_path}" + ("#main-key" if self.key_path == self.path else "")

    @property
    def key(self) -> Keypair:
        """RSA-2048, made once in a process for every id and generation, because that is slow."""
        return keypair(f"{self.id} {self.generation}")

    @property
    def public_key(self) -> RSAPublicKey:
        public = self.key.private.public_key()
        assert isinstance(public, RSAPublicKey)
        return public

    def rotate(self) -> None:
        """A new key from now on, under the same keyId."""
        self.generation += 1

    def document(self) -> dict[str, Any]:
        """What GET of the actor's id answers; `extra` fields are added last."""
        published: dict[str, Any] = {
            "@context": LEMMY_CONTEXT if self.software == "lemmy" else [ACTIVITYSTREAMS, SECURITY],
            "id": self.id,
            "type": self.kind,
            "preferredUsername": self.name,
            "name": self.name.title(),
            "inbox": f"{self.id}/inbox",
            "outbox": f"{self.id}/outbox",
            "endpoints": {"sharedInbox": f"https://{self.host}/inbox"},
            "publicKey": {"id": self.key_id, "owner": self.id, "publicKeyPem": self.key.public_pem},
        }
        if self.kind == "Group":
            published |= {
                "attributedTo": f"{self.id}/moderators",
                "featured": f"{self.id}/featured",
                "sensitive": False,
            }
        return published | self.extra

    def key_document(self) -> dict[str, Any]:
        """What GET of the keyId answers where that is no fragment of the actor."""
        key = {"id": self.key_id, "owner": self.id, "publicKeyPem": self.key.public_pem}
        if self.software == "gotosocial":
            return {
                "@context": [SECURITY, ACTIVITYSTREAMS],
                "id": self.id,
                "type": self.kind,
                "preferredUsername": self.name,
                "publicKey": key,
            }
        return {"@context": [SECURITY, ACTIVITYSTREAMS], "type": "Key"} | key
