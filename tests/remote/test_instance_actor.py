from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from relayfilter.errors import ConfigError
from relayfilter.remote.instance_actor import KEY_FILE, InstanceActor, load_instance_actor
from relayfilter.signatures.keys import PublishedKey, judge_key_document, load_public_key, read_key_document
from tests.remote.fetching import is_signed_by
from tests.support.signing import PrivateKey, keypair

DOMAIN = "lemmy.test"
NOW = 1_700_000_000.0


def pem_of(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def encrypted(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


def written(directory: Path, content: bytes, mode: int = 0o600) -> Path:
    file = directory / KEY_FILE
    file.write_bytes(content)
    file.chmod(mode)
    return file


@pytest.fixture
def actor(tmp_path: Path) -> InstanceActor:
    return load_instance_actor(written(tmp_path, pem_of(keypair("instance").private)), domain=DOMAIN)


def test_the_key_is_made_once_and_for_nobody_else_to_read(tmp_path: Path) -> None:
    file = tmp_path / KEY_FILE
    first = load_instance_actor(file, domain=DOMAIN)
    again = load_instance_actor(file, domain=DOMAIN)
    assert first.document == again.document
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_two_processes_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        actors = list(pool.map(lambda _: load_instance_actor(tmp_path / KEY_FILE, domain=DOMAIN), range(4)))
    assert len({actor.document for actor in actors}) == 1
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        pem_of(keypair("instance").private)[:-60],
        pem_of(rsa.generate_private_key(65537, 1024)),
        pem_of(keypair("instance", "ed25519").private),
        keypair("instance").public_pem.encode(),
        keypair("instance").private.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
        ),
    ],
    ids=["empty", "no-text", "torn", "weak", "ed25519", "public", "encrypted"],
)
def test_a_damaged_key_stops_the_start(tmp_path: Path, content: bytes) -> None:
    file = written(tmp_path, content)
    with pytest.raises(ConfigError, match="is no RSA key") as caught:
        load_instance_actor(file, domain=DOMAIN)
    assert str(caught.value).startswith(str(file))
    assert file.read_bytes() == content


def test_a_key_that_others_may_read_stops_the_start(tmp_path: Path) -> None:
    file = written(tmp_path, pem_of(keypair("instance").private), 0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_instance_actor(file, domain=DOMAIN)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be kept"):
        load_instance_actor(tmp_path / "none" / KEY_FILE, domain=DOMAIN)


def test_the_document_publishes_the_key(actor: InstanceActor) -> None:
    document = json.loads(actor.document)
    assert actor.id == document["id"] == "https://lemmy.test/relayfilter/actor"
    assert document["type"] == "Application"
    assert document["preferredUsername"] == "relayfilter"
    assert document["inbox"] == "https://lemmy.test/inbox"
    assert document["@context"][0] == "https://www.w3.org/ns/activitystreams"
    read = read_key_document(actor.document)
    judged = judge_key_document(read, url=actor.id, key_id=actor.key_id, actor=actor.id, declared=True)  # type: ignore[arg-type]
    assert isinstance(judged, PublishedKey)
    assert load_public_key(judged.pem) == keypair("instance").private.public_key()
    assert b"PRIVATE" not in actor.document


def test_webfinger_leads_back_to_the_actor_as_mastodon_wants_it(actor: InstanceActor) -> None:
    answer = json.loads(actor.webfinger)
    assert answer["subject"] == actor.account == "acct:relayfilter@lemmy.test"
    assert [link["href"] for link in answer["links"] if link["rel"] == "self"] == [actor.id]


def test_another_path(tmp_path: Path) -> None:
    file = written(tmp_path, pem_of(keypair("instance").private))
    actor = load_instance_actor(file, domain=DOMAIN, path="/filter")
    assert json.loads(actor.document)["publicKey"]["owner"] == actor.id == "https://lemmy.test/filter"


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("https://a.test/users/alice?x=1#main-key", "a.test", "/users/alice?x=1"),
        ("https://A.Test./é", "a.test", "/%C3%A9"),
        ("https://bücher.test", "xn--bcher-kva.test", "/"),
    ],
)
def test_what_is_signed_is_what_the_fetch_process_sends(actor: InstanceActor, url: str, host: str, target: str) -> None:
    signed = actor.signed_headers(url, NOW)
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in signed), "", ""]
    assert is_signed_by("\r\n".join(lines).encode(), actor.document)


def test_what_is_no_url_is_not_signed(actor: InstanceActor) -> None:
    assert actor.signed_headers("https://a.test@b.test/", NOW) == ()
