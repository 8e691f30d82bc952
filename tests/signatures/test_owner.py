from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayfilter.signatures.owner import (
    MAX_ID,
    CanonicalId,
    canonical_id,
    check_ids,
    check_key_id,
    check_owner,
    instance_of,
    same_id,
    same_origin,
)
from relayfilter.signatures.result import ActorKey, BadSignature

ACTOR = "https://a.test/users/alice"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://a.test/users/alice", "https://a.test/users/alice"),
        ("HTTPS://A.Test/users/alice", "https://a.test/users/alice"),
        ("https://a.test./users/alice", "https://a.test/users/alice"),
        ("https://a.test:443/users/alice", "https://a.test/users/alice"),
        ("https://a.test:/users/alice", "https://a.test/users/alice"),
        ("https://bücher.test/u", "https://xn--bcher-kva.test/u"),
        ("https://BÜCHER.test/u", "https://XN--BCHER-KVA.test/u"),
        ("https://bücher。test/u", "https://bücher.test/u"),
        ("https://a.test", "https://a.test/"),
        ("https://a.test?author=0", "https://a.test/?author=0"),
    ],
)
def test_spellings_of_one_id(one: str, other: str) -> None:
    assert same_id(one, other)
    assert same_id(other, one)
    assert same_origin(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://a.test/users/alice", "https://a.test/users/Alice"),
        ("https://a.test/users/alice", "https://a.test/users/alice/"),
        ("https://a.test//users/alice", "https://a.test/users/alice"),
        ("https://a.test/users/x/../alice", "https://a.test/users/alice"),
        ("https://a.test/?author=0", "https://a.test/?author=1"),
        ("https://a.test/users/alice", "https://a.test/users/alice#main-key"),
        ("https://a.test/", "https://b.test/"),
        ("https://xn--bcher-kva.test/u", "https://bucher.test/u"),
        ("acct:alice@a.test", "acct:alice@a.test"),
        ("", ""),
    ],
)
def test_different_ids(one: str, other: str) -> None:
    assert not same_id(one, other)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://a.test/users/alice", "id-not-https"),
        ("acct:alice@a.test", "id-not-https"),
        ("//a.test/users/alice", "id-not-https"),
        ("https:/a.test/users/alice", "id-not-https"),
        ("https:a.test", "id-not-https"),
        ("javascript:alert(1)", "id-not-https"),
        ("", "id-not-https"),
        ("https://alice@a.test/", "id-userinfo"),
        ("https://a.test@evil.test/", "id-userinfo"),
        ("https://a.test:8443/", "id-port"),
        ("https://a.test:443@evil.test/", "id-userinfo"),
        ("https://a.test:0443/", "id-port"),
        ("https://", "id-host"),
        ("https:///users/alice", "id-host"),
        ("https://.a.test/", "id-host"),
        ("https://a..test/", "id-host"),
        ("https://a.test../", "id-host"),
        ("https://127.0.0.1/", "id-host"),
        ("https://0x7f.1/", "id-host"),
        ("https://2130706433/", "id-host"),
        ("https://1.0x7f/", "id-host"),
        ("https://[::1]/", "id-host"),
        ("https://%61.test/", "id-host"),
        ("https://a_b,c.test/", "id-host"),
        ("https://١٢٧.٠.٠.١/", "id-host"),
        ("https://\u202ea.test/", "id-host"),
        ("https://evil.test\\@a.test/", "id-unsafe"),
        ("https://a.test\t/", "id-unsafe"),
        (" https://a.test/", "id-unsafe"),
        ("https://a.test/\x00", "id-unsafe"),
        ("https://a.test/" + "a" * MAX_ID, "id-too-long"),
    ],
)
def test_no_id(text: str, reason: str) -> None:
    assert canonical_id(text) == BadSignature(reason)
    assert instance_of(text) is None
    assert not same_id(text, text)
    assert not same_origin(text, text)


def test_instance_is_the_canonical_host() -> None:
    assert instance_of("https://BÜCHER.test.:443/u/a") == "xn--bcher-kva.test"


@given(st.text(max_size=60).map(lambda text: f"https://{text}") | st.text(max_size=60))
def test_any_text_is_an_id_or_has_a_reason(text: str) -> None:
    match canonical_id(text):
        case CanonicalId(host, rest):
            assert host == host.lower()
            assert rest.startswith("/")
            assert canonical_id(f"https://{host}{rest}") == CanonicalId(host, rest)
        case BadSignature(reason):
            assert reason.startswith("id-")


@pytest.mark.parametrize(
    ("actor", "activity_id", "reason"),
    [
        (ACTOR, "https://a.test/activities/1", None),
        (ACTOR, "https://A.TEST:443/activities/1", None),
        (ACTOR, "https://b.test/activities/1", "activity-foreign-host"),
        (ACTOR, "https://sub.a.test/activities/1", "activity-foreign-host"),
        (ACTOR, "http://a.test/activities/1", "activity-id-not-https"),
        (ACTOR, "https://a.test:8443/activities/1", "activity-id-port"),
        (ACTOR, "urn:uuid:1", "activity-id-not-https"),
        ("https://alice@a.test/users/alice", "https://a.test/activities/1", "actor-id-userinfo"),
        ("https://a.test:8443/users/alice", "https://a.test/activities/1", "actor-id-port"),
    ],
)
def test_activity_and_actor_share_a_host(actor: str, activity_id: str, reason: str | None) -> None:
    bad = check_ids(actor, activity_id)
    assert (bad and bad.reason) == reason


@pytest.mark.parametrize(
    ("key_id", "reason"),
    [
        (f"{ACTOR}#main-key", None),
        (f"{ACTOR}/main-key", None),
        ("https://A.test./?author=0#main-key", None),
        ("https://a.test//users/3#main-key", None),
        ("acct:alice@a.test", "key-id-not-https"),
        ("http://a.test/users/alice#main-key", "key-id-not-https"),
        ("https://evil.test/users/alice#main-key", "key-foreign-origin"),
        ("https://a.test.evil.test/#main-key", "key-foreign-origin"),
        ("https://a.test@evil.test/#main-key", "key-id-userinfo"),
        ("https://a.test:8443/users/alice#main-key", "key-id-port"),
    ],
)
def test_key_ids(key_id: str, reason: str | None) -> None:
    bad = check_key_id(key_id, ACTOR)
    assert (bad and bad.reason) == reason


def test_the_key_must_be_the_actors() -> None:
    key = ActorKey("https://a.test/actor#main-key", "https://a.test/actor", "pem", 0.0)
    assert check_owner(key, "https://A.test/actor") is None
    bad = check_owner(key, ACTOR)
    assert bad is not None
    assert bad.reason == "key-owner-mismatch"
