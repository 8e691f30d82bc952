"""Attacks by somebody who can sign well, but is not who he says he is.

Of the kind of CVE-2024-23832 (Mastodon believed what a document said of an actor elsewhere), CVE-2025-54888 (Fedify
looked at the activity before it knew whose key had signed), CVE-2026-28432 and CVE-2026-46349.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.support import world_activities as say
from tests.support import world_answers
from tests.support.attacks import Played, attack
from tests.support.cases import Case, Request, Scene, note, signed
from tests.support.servers import Script
from tests.support.signing import Keypair, keypair
from tests.support.world_actors import SECURITY, Actor

Document = dict[str, Any]


@pytest.fixture(scope="module")
def played() -> Played:
    return Played(_anothers_keys, _lying_documents)


def test_the_key_of_another_actor(played: Played) -> None:
    played.withstood(_anothers_keys)


def test_documents_that_lie_about_the_owner(played: Played) -> None:
    played.withstood(_lying_documents)


def _anothers_keys(scene: Scene) -> Iterator[Case]:
    alice, bob, neighbour = scene.alice, scene.bob, scene.somebody("neighbour")
    neighbour.borrowed = bob.key
    for name, signer, reason in (
        ("a stranger signs as alice", bob, "key-foreign-origin"),
        ("a neighbour signs as alice", neighbour, "key-not-listed-by-actor"),
    ):
        for what, activity in (
            ("a note", note),
            ("her deletion", say.delete_self),
            ("an announce", lambda author: say.announce(author, note(bob))),
        ):
            yield attack(f"{name}: {what}", signed(signer, partial(activity, alice)), 401, reason)
    for name, key_id, reason in (
        ("keyId of alice, key of bob", alice.key_id, "signature-mismatch"),
        ("keyId is alice herself", alice.id, "key-not-listed"),
        ("keyId is another fragment", f"{alice.id}#other", "key-not-listed"),
        (
            "keyId names alice in its userinfo",
            f"https://alpha.example@beta.example{bob.path}#main-key",
            "key-id-userinfo",
        ),
        ("keyId names alice in its fragment", f"{bob.id}#{alice.id}#main-key", "key-foreign-origin"),
        ("keyId names alice in its query", f"{bob.id}?{alice.id}#main-key", "key-foreign-origin"),
        ("keyId at a subdomain", alice.key_id.replace("alpha", "x.alpha"), "key-foreign-origin"),
        ("keyId at a host that ends like hers", alice.key_id.replace("alpha", "notalpha"), "key-foreign-origin"),
        ("keyId at another port", alice.key_id.replace("example", "example:8443"), "key-id-port"),
        ("keyId in clear text", alice.key_id.replace("https", "http"), "key-id-not-https"),
        ("keyId with a backslash", alice.key_id.replace("example/", "example\\/"), "signature-malformed"),
        ("keyId is no URL", "main-key", "key-id-not-https"),
        ("keyId is empty", "", "signature-malformed"),
    ):
        impostor = Actor(alice.host, alice.name)
        impostor.key_id = key_id
        yield attack(name, signed(impostor, key=bob.key), 401, reason)
    inside = signed(bob, lambda: note(bob) | {"actor": {"id": bob.id, "actor": alice.id, "url": alice.id}})
    yield attack("actor is an object with two ids; Lemmy refuses it", inside, "F", "", lemmy=400)
    two = signed(bob, partial(note, bob, actor=[bob.id, alice.id]))
    yield attack("bob and alice", two, 400, "actor")


def _lying_documents(scene: Scene) -> Iterator[Case]:
    """What bob gets served: at his own host anything at all, at alice's what she lets people upload."""
    alice, mallory = scene.alice, keypair("mallory")
    forged = _Forgeries(scene, alice, mallory)
    actor = alice.document() | {"publicKey": forged.key(f"{alice.id}#main-key")}

    yield attack(
        "alice's document, at bob's", forged.at("beta", "/alice", lambda _url: actor), 401, "key-foreign-origin"
    )
    own = forged.at("beta", "/key", forged.key)
    yield attack("a key that says it is alice's, at bob's", own, 401, "key-foreign-origin")
    upload = forged.at("alpha", "/media/key.json", forged.key, "application/json")
    yield attack("a key uploaded at alice's", upload, 401, "key-not-listed-by-actor")
    for content_type, reason in (
        ("application/json", "key-document-id"),
        ("text/plain", "key-wrong-type"),
        ("image/png", "key-wrong-type"),
        ("application/octet-stream", "key-wrong-type"),
    ):
        path = f"/media/{content_type.replace('/', '-')}"
        stub = forged.at("alpha", path, lambda url: actor | {"publicKey": forged.key(url)}, content_type)
        yield attack(f"a stub of alice uploaded as {content_type}", stub, 401, reason)
    unlisted = forged.at("alpha", "/users/alice/notes/1", forged.key)
    yield attack("a note of alice's host that is a key", unlisted, 401, "key-not-listed-by-actor")
    many = forged.at("alpha", "/media/many", lambda url: {"id": url, "publicKey": [forged.key(url)] * 1000})
    yield attack("a thousand keys in a document", many, 401, "key-not-listed-by-actor")
    moved = forged.served("alpha", "/moved", world_answers.redirect("https://beta.example/alice-moved"))
    scene.beta.add_document("/alice-moved", actor | {"publicKey": forged.key("https://alpha.example/moved")})
    yield attack("a redirect from alice's host to bob's", moved, 401, "key-foreign-origin")
    for name, text, reason in (
        ("no JSON", b"<Actor>", "key-document-not-json"),
        ("a list", b"[]", "key-document-without-id"),
        ("deep JSON", b"[" * 100_000, "key-document-not-json"),
        ("empty", b"", "key-document-not-json"),
    ):
        odd = forged.served("alpha", f"/odd/{len(text)}{name[:1]}", world_answers.reply(text, "application/json"))
        yield attack(f"a key document that is {name}", odd, 401, reason)


class _Forgeries:
    """Deliveries in `victim`'s name, signed with `key`, whose keyId is the place of a document."""

    def __init__(self, scene: Scene, victim: Actor, key: Keypair) -> None:
        self._scene, self._victim, self._key = scene, victim, key

    def key(self, url: str) -> Document:
        return {"@context": SECURITY, "id": url, "owner": self._victim.id, "publicKeyPem": self._key.public_pem}

    def at(self, host: str, path: str, write: Callable[[str], Document], content_type: str = "") -> Request:
        url = f"https://{host}.example{path}"
        content_type = content_type or world_answers.ACTIVITY_JSON
        return self.served(host, path, world_answers.document(lambda: write(url), content_type))

    def served(self, host: str, path: str, script: Script) -> Request:
        url = self._scene.world.fediverse[f"{host}.example"].add(path, script)
        impostor = Actor(self._victim.host, self._victim.name)
        impostor.key_id = url
        return signed(impostor, key=self._key)
