from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from relayfilter.signatures.keys import (
    MAX_DOCUMENT,
    MAX_KEYS,
    MAX_PEM,
    AskActor,
    KeyDocument,
    PublishedKey,
    judge_actor_document,
    judge_key_document,
    load_public_key,
    read_key_document,
)
from relayfilter.signatures.result import BadSignature, KeyUnavailable
from tests.support.linked_signing import multibase, multikey
from tests.support.signing import keypair

ACTOR = "https://a.test/users/alice"
KEY_ID = f"{ACTOR}#main-key"
PEM = keypair("alice").public_pem


def key(key_id: str = KEY_ID, owner: str | None = ACTOR, **more: Any) -> dict[str, Any]:
    return {"id": key_id, "owner": owner, "publicKeyPem": PEM, **more}


def actor(public_key: Any, actor_id: str = ACTOR) -> dict[str, Any]:
    return {"id": actor_id, "type": "Person", "publicKey": public_key}


def read(document: Any) -> KeyDocument:
    found = read_key_document(json.dumps(document).encode())
    assert isinstance(found, KeyDocument)
    return found


@pytest.mark.parametrize(
    ("document", "found"),
    [
        (actor(key()), [(KEY_ID, ACTOR)]),
        (actor([key(), key(f"{ACTOR}#key-2")]), [(KEY_ID, ACTOR), (f"{ACTOR}#key-2", ACTOR)]),
        (actor({"id": KEY_ID, "controller": ACTOR, "publicKeyPem": PEM}), [(KEY_ID, ACTOR)]),
        (actor(key(owner=None)), [(KEY_ID, None)]),
        (key(f"{ACTOR}/publickey"), [(f"{ACTOR}/publickey", ACTOR)]),
        (actor(None), []),
        (actor("https://a.test/publickey"), []),
        (actor([key(publicKeyPem=7), key(publicKeyPem="x" * (MAX_PEM + 1)), 3, None]), []),
        (actor([key(str(n)) for n in range(MAX_KEYS + 5)]), [(str(n), ACTOR) for n in range(MAX_KEYS)]),
        ({"id": ACTOR}, []),
    ],
)
def test_keys_in_documents(document: Any, found: list[tuple[str, str | None]]) -> None:
    assert [(one.id, one.owner) for one in read(document).keys] == found


ED25519 = keypair("alice", "ed25519")
ED25519_ID = f"{ACTOR}#ed25519-key"


def assertion(key_id: str = ED25519_ID, **more: Any) -> dict[str, Any]:
    return {"id": key_id, "type": "Multikey", "controller": ACTOR, "publicKeyMultibase": multikey(ED25519), **more}


@pytest.mark.parametrize(
    ("methods", "found"),
    [
        (assertion(), [(ED25519_ID, ED25519.public_pem)]),
        ([assertion(), assertion("#2")], [(ED25519_ID, ED25519.public_pem), ("#2", ED25519.public_pem)]),
        ([assertion(publicKeyMultibase=multibase(b"\x12\x05" + bytes(270)))], []),
        ([assertion(publicKeyMultibase="z" + "1" * 10_000), assertion(publicKeyMultibase=7)], []),
        ([assertion(type="Ed25519VerificationKey2020")], []),
        ([assertion(publicKeyMultibase="junk", publicKeyPem=PEM)], []),
        ([assertion(str(n)) for n in range(MAX_KEYS + 5)], [(str(n), ED25519.public_pem) for n in range(MAX_KEYS)]),
        ([ED25519_ID, None, 7], []),
    ],
)
def test_multikeys_under_assertion_method(methods: Any, found: list[tuple[str, str]]) -> None:
    document = read({**actor(key()), "assertionMethod": methods})
    assert [(one.id, one.pem) for one in document.keys] == [(KEY_ID, PEM), *found]


@pytest.mark.parametrize(
    ("document", "url", "key_id", "outcome"),
    [
        ({**actor(key()), "assertionMethod": [assertion()]}, ACTOR, ED25519_ID, "ok"),
        (assertion(f"{ACTOR}/ed25519"), f"{ACTOR}/ed25519", f"{ACTOR}/ed25519", "ask"),
        ({**actor(key()), "assertionMethod": [assertion()]}, "https://evil.test/", ED25519_ID, "key-foreign-origin"),
        ({**actor(key(), "https://a.test/bob"), "assertionMethod": assertion()}, ACTOR, ED25519_ID, "key-document-id"),
        (actor(key()), ACTOR, ED25519_ID, "key-not-listed"),
    ],
)
def test_whose_multikey_is_it(document: Any, url: str, key_id: str, outcome: str) -> None:
    judged = judge_key_document(read(document), url=url, key_id=key_id, actor=ACTOR, declared=True)
    if isinstance(judged, BadSignature):
        assert judged.reason == outcome
    else:
        assert judged == (PublishedKey(key_id, ED25519.public_pem, ACTOR) if outcome == "ok" else AskActor())


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "key-document-not-json"),
        (b"<html>", "key-document-not-json"),
        (b'{"id": "x"', "key-document-not-json"),
        (b'{"id": "\xff"}', "key-document-not-json"),
        (b"[" * 100_000, "key-document-not-json"),
        (b'{"id":' * 100_000, "key-document-not-json"),
        (b'[{"id": "x"}]', "key-document-without-id"),
        (b'{"id": 3}', "key-document-without-id"),
        (b"{}", "key-document-without-id"),
        (b'"x"', "key-document-without-id"),
        (b" " * (MAX_DOCUMENT + 1), "key-document-too-large"),
    ],
)
def test_documents_that_say_nothing(body: bytes, reason: str) -> None:
    assert read_key_document(body) == KeyUnavailable(reason, temporary=False)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_a_public_key_may_be_anything(value: Any) -> None:
    read(actor(value))
    read(actor({"id": value, "publicKeyPem": value, "owner": value}))


SITE = "https://a.test/actor"
STANDALONE = f"{ACTOR}/publickey"


@pytest.mark.parametrize(
    ("document", "url", "key_id", "outcome"),
    [
        (actor(key()), ACTOR, KEY_ID, "ok"),
        (actor(key(), "https://A.test/users/alice"), ACTOR, KEY_ID, "ok"),
        (actor([key(f"{ACTOR}#old"), key()]), ACTOR, KEY_ID, "ok"),
        (actor(key(f"{ACTOR}/main-key")), f"{ACTOR}/main-key", f"{ACTOR}/main-key", "ok"),
        (key(STANDALONE), STANDALONE, STANDALONE, "ask"),
        (key(STANDALONE, owner=None), STANDALONE, STANDALONE, "ask"),
        (key(f"{STANDALONE}#key"), STANDALONE, f"{STANDALONE}#key", "ask"),
        (actor(key(f"{SITE}#main-key", SITE), SITE), SITE, f"{SITE}#main-key", "ask"),
        (key(STANDALONE, owner="https://a.test/users/bob"), STANDALONE, STANDALONE, "key-owner-mismatch"),
        (actor(key(f"{ACTOR}#other")), ACTOR, KEY_ID, "key-not-listed"),
        (actor([]), ACTOR, KEY_ID, "key-not-listed"),
        (actor(key(), "https://a.test/users/bob"), ACTOR, KEY_ID, "key-document-id"),
        (actor(key(), "https://evil.test/users/alice"), ACTOR, KEY_ID, "key-document-id"),
        (actor(key(), "not an id"), ACTOR, KEY_ID, "key-document-id"),
        (key("https://a.test/elsewhere"), STANDALONE, "https://a.test/elsewhere", "key-document-id"),
        (actor(key()), "https://evil.test/users/alice", KEY_ID, "key-foreign-origin"),
        (actor(key()), "http://a.test/users/alice", KEY_ID, "key-foreign-origin"),
    ],
)
def test_whose_key_is_it(document: Any, url: str, key_id: str, outcome: str) -> None:
    judged = judge_key_document(read(document), url=url, key_id=key_id, actor=ACTOR, declared=True)
    if outcome == "ok":
        assert isinstance(judged, PublishedKey)
        assert judged.id == key_id
    elif outcome == "ask":
        assert judged == AskActor()
    else:
        assert isinstance(judged, BadSignature)
        assert judged.reason == outcome


def test_an_upload_served_as_plain_json_is_no_stub() -> None:
    upload = "https://a.test/files/1.json"
    document = read(actor(key(upload)))
    judged = judge_key_document(document, url=upload, key_id=upload, actor=ACTOR, declared=False)
    assert isinstance(judged, BadSignature)
    assert judged.reason == "key-document-id"
    own = judge_key_document(read(actor(key())), url=ACTOR, key_id=KEY_ID, actor=ACTOR, declared=False)
    assert isinstance(own, PublishedKey)


@pytest.mark.parametrize(
    ("document", "url", "outcome"),
    [
        (actor(key(STANDALONE)), ACTOR, "ok"),
        (actor([key(), key(STANDALONE)]), ACTOR, "ok"),
        (actor(key(STANDALONE, owner=SITE)), ACTOR, "ok"),
        (actor(key()), ACTOR, "key-not-listed-by-actor"),
        (actor(key(STANDALONE), "https://a.test/users/bob"), ACTOR, "actor-document-id"),
        (key(STANDALONE), ACTOR, "actor-document-id"),
        (actor(key(STANDALONE)), "https://evil.test/users/alice", "key-foreign-origin"),
    ],
)
def test_the_actor_must_list_a_key_that_stands_alone(document: Any, url: str, outcome: str) -> None:
    judged = judge_actor_document(read(document), url=url, key_id=STANDALONE, actor=ACTOR)
    assert isinstance(judged, PublishedKey) if outcome == "ok" else isinstance(judged, BadSignature)
    assert isinstance(judged, PublishedKey) or judged.reason == outcome


def rsa_pem(modulus_bits: int, exponent: int = 65537) -> str:
    """The PEM of a public key that nobody has the other half of."""
    numbers = rsa.RSAPublicNumbers(exponent, (1 << (modulus_bits - 1)) | 1)
    return numbers.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def dsa_pem() -> str:
    parameters = dsa.DSAParameterNumbers(p=(1 << 2047) | 1, q=(1 << 255) | 1, g=2)
    numbers = dsa.DSAPublicNumbers(y=4, parameter_numbers=parameters)
    return numbers.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (PEM, None),
        (f"\n{PEM}\r\n", None),
        (PEM.replace("\n", "\r\n"), None),
        (keypair("alice", "ed25519").public_pem, None),
        (keypair("alice", "p256").public_pem, None),
        (rsa_pem(2048, 3), None),
        (rsa_pem(8192), None),
        (keypair("weak", "rsa1024").public_pem, "key-size"),
        (rsa_pem(2047), "key-size"),
        (rsa_pem(8193), "key-size"),
        (rsa_pem(16384), "key-size"),
        (rsa_pem(2048, 2**64 + 1), "key-exponent"),
        (rsa_pem(2048, 5), "key-exponent"),
        (dsa_pem(), "key-type-not-allowed"),
        (PEM.replace("PUBLIC KEY", "RSA PUBLIC KEY"), "key-unreadable"),
        (PEM[:200], "key-unreadable"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "key-unreadable"),
        (PEM + " " * MAX_PEM, None),
        (PEM + "x" * MAX_PEM, "key-unreadable"),
        ("-----BEGIN PUBLIC KEY-----\ud800", "key-unreadable"),
        ("", "key-unreadable"),
    ],
)
def test_keys_that_are_loaded(pem: str, reason: str | None) -> None:
    loaded = load_public_key(pem)
    if reason is None:
        assert not isinstance(loaded, BadSignature)
    else:
        assert isinstance(loaded, BadSignature)
        assert loaded.reason == reason
