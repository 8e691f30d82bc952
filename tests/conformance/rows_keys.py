"""Rows 18 to 29: where keys stand, whose they are, and what they may be."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support import world_answers
from tests.support.cases import Case, Request, Scene, Send, note, signed
from tests.support.signing import keypair
from tests.support.world_actors import SECURITY, Actor
from tests.support.world_delivery import Answer, signed_post

_HUNDRED = 100


def cases(scene: Scene) -> Iterator[Case]:
    yield from _forms_of_key_ids(scene)
    yield from _somebody_elses_keys(scene)
    yield from _whose_activity(scene)
    yield from _weak_and_costly_keys(scene)
    yield from _replaced_keys(scene)


def _forms_of_key_ids(scene: Scene) -> Iterator[Case]:
    nodebb = scene.somebody()
    nodebb.key_id = f"{nodebb.id}#key"
    wordpress = scene.somebody(software="wordpress")
    doubled = scene.somebody("slashes")
    doubled.key_id = doubled.key_id.replace("example/users", "example//users")
    scene.alpha.add(doubled.path.replace("/users", "//users"), world_answers.document(doubled.document))
    site = scene.somebody("site", kind="Application")
    group = scene.somebody("group", kind="Group")
    group.key_id = site.key_id
    group.extra["publicKey"] = site.document()["publicKey"]
    instance_actor = scene.somebody("instance", kind="Application")
    for form, actor in (
        ("#main-key (Mastodon)", scene.alice),
        ("#key (NodeBB)", nodebb),
        ("/main-key, a stub of the actor (GoToSocial)", scene.somebody(software="gotosocial")),
        ("/publickey, a document of its own (Misskey)", scene.somebody(software="misskey")),
        ("?author=0#main-key (WordPress)", wordpress),
        ("//users/3#main-key", doubled),
        ("a Group whose key is another actor's", group),
        ("an instance actor's own activity", instance_actor),
    ):
        yield Case(18, form, signed(actor), "F")
    account = scene.somebody()
    account.key_id = f"acct:{account.name}@{account.host}"
    yield Case(19, "acct: keyId", signed(account), 401, "key-id-not-https")


def _somebody_elses_keys(scene: Scene) -> Iterator[Case]:
    """The key documents are an attacker's: at a host of his own, or what he could put on the victim's."""
    victim, mallory = scene.alice, keypair("mallory")

    def key_at(url: str, **members: Any) -> Request:
        host, path = (scene.alpha, scene.beta)["beta" in url], url.partition(".example")[2]
        document = {"id": url, "owner": victim.id, "publicKeyPem": mallory.public_pem, "@context": SECURITY} | members
        host.add(path, world_answers.document(lambda: document))
        impostor = Actor(victim.host, victim.name)
        impostor.key_id = url
        return signed(impostor, key=mallory)

    foreign = key_at("https://beta.example/stolen-key")
    yield Case(20, "key at a foreign origin, owner = victim", foreign, 401, "key-foreign-origin")
    local = key_at("https://alpha.example/media/key")
    yield Case(21, "key at the victim's origin, not listed", local, 401, "key-not-listed-by-actor")
    renamed = key_at("https://alpha.example/media/another", id="https://alpha.example/media/else")
    yield Case(22, "key document with another id", renamed, 401, "key-not-listed")
    wrapped = key_at(
        "https://alpha.example/media/wrapped",
        id="https://alpha.example/media/else",
        publicKey={
            "id": "https://alpha.example/media/wrapped",
            "owner": victim.id,
            "publicKeyPem": mallory.public_pem,
        },
    )
    yield Case(22, "document with another id lists the key", wrapped, 401, "key-document-id")
    two = scene.somebody()
    other = {"id": f"{two.id}#old-key", "owner": two.id, "publicKeyPem": scene.bob.key.public_pem}
    two.extra["publicKey"] = [other, two.document()["publicKey"]]
    yield Case(23, "two publicKeys, the second matches", signed(two), "F", log={"upstream": 200})


def _whose_activity(scene: Scene) -> Iterator[Case]:
    alice, instance_actor = scene.alice, scene.somebody("instance", kind="Application")
    for_alice = signed(instance_actor, partial(note, alice))
    yield Case(24, "signed by the instance actor", for_alice, 401, "key-not-listed-by-actor")
    foreign = signed(alice, partial(note, alice, id="https://beta.example/activities/1"))
    yield Case(25, "the id is another host's", foreign, 401, "activity-foreign-host")
    as_object = signed(alice, partial(note, alice, actor={"id": alice.id, "type": "Person"}))
    yield Case(26, "actor as object; Lemmy has its own opinion", as_object, "F", lemmy=400)
    for count in (1, 2):
        listed = signed(alice, partial(note, alice, actor=[alice.id] * count))
        yield Case(26, f"actor as array of {count}", listed, 400, "actor")


def _weak_and_costly_keys(scene: Scene) -> Iterator[Case]:
    numbers = scene.alice.public_key.public_numbers()
    for name, published, reason in (
        ("RSA of 1024 bits", keypair("weak", "rsa1024").public_pem, "key-size"),
        ("e = 2^64+1", _pem(2**64 + 1, numbers.n), "key-exponent"),
        ("RSA of 16384 bits", _pem(65537, 2**16383 + numbers.n), "key-size"),
    ):
        actor = scene.somebody()
        actor.extra["publicKey"] = actor.document()["publicKey"] | {"publicKeyPem": published}
        key = keypair("weak", "rsa1024") if "1024" in name else actor.key
        yield Case(27, name, signed(actor, key=key), 401, reason)


def _pem(e: int, n: int) -> str:
    key = rsa.RSAPublicNumbers(e, n).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _replaced_keys(scene: Scene) -> Iterator[Case]:
    old, new = scene.bob.key, scene.alice.key
    fetches: list[int] = []

    async def replaced(send: Send) -> bytes:
        actor = scene.somebody("rotating")
        actor.borrowed = old
        await send(signed_post(actor, note(actor)))
        actor.borrowed = new
        before = scene.alpha.requests[actor.path]
        await send(signed_post(actor, note(actor)))
        fetches.append(scene.alpha.requests[actor.path] - before)
        return signed_post(actor, note(actor))

    def once(_answer: Answer) -> str | None:
        return None if fetches[-1] == 1 else f"{fetches[-1]} fetches"

    yield Case(28, "a key that was replaced is fetched once", replaced, "F", also=once)

    target = scene.somebody("forged")

    async def a_hundred_forgeries(send: Send) -> bytes:
        await send(signed_post(target, note(target)))
        before = scene.alpha.requests[target.path]
        for _ in range(_HUNDRED):
            await send(signed_post(target, note(target), key=old))
        fetches.append(scene.alpha.requests[target.path] - before)
        return signed_post(target, note(target), key=old)

    def at_most_once(_answer: Answer) -> str | None:
        return None if fetches[-1] <= 1 else f"{fetches[-1]} fetches"

    hundred = f"after {_HUNDRED} bad signatures by one keyId, at most one fetch"
    yield Case(29, hundred, a_hundred_forgeries, 401, "signature-mismatch", also=at_most_once)
