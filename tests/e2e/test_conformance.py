"""The conformance matrix of HTTP signatures, row by row, through the running daemon: what is forwarded, and what every
refusal is called in the log. Numbers are the matrix's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import trio

from tests.support import world_activities as say
from tests.support import world_answers
from tests.support.lemmy import Refuse
from tests.support.servers import Script
from tests.support.signing import SENDERS, content_digest_header, digest_header
from tests.support.world import World
from tests.support.world_actors import Actor
from tests.support.world_delivery import encode, signed_post

FORWARDED = 200
POLICY = 'default = "accept"\non_uninspectable = "reject"\n'


class Row(NamedTuple):
    """`raw` is the request; `status` what it gets; `reason` what the log says, None for what is forwarded: then the
    status is Lemmy's."""

    name: str
    raw: Callable[[], bytes]
    status: int
    reason: str | None = None


def rows(world: World) -> Iterator[Row]:
    alpha, beta = world.fediverse["alpha.example"], world.fediverse["beta.example"]
    alice = alpha.actor("alice")

    def sent(who: Actor = alice, activity: dict[str, Any] | bytes | None = None, **changes: Any) -> Callable[[], bytes]:
        return lambda: signed_post(
            who, say.mastodon_note(who, "<p>Hi</p>") if activity is None else activity, **changes
        )

    def without(*names: str) -> tuple[str, ...]:
        return tuple(name for name in ("(request-target)", "host", "date", "digest") if name not in names)

    def changed(**members: Any) -> dict[str, Any]:
        return say.mastodon_note(alice, "<p>Hi</p>") | members

    for sender in SENDERS:
        yield Row(f"1-4 {sender}", sent(shape=sender), FORWARDED)
    yield Row(
        "5 rsa-sha256 with (created)",
        sent(covered=("(request-target)", "(created)", "host", "digest"), created=0),
        401,
        "created-not-allowed",
    )
    for algorithm in ("rsa-sha1", "hmac-sha256", "none"):
        yield Row(f"6 algorithm {algorithm}", sent(algorithm=algorithm), 401, "algorithm-not-allowed")
    yield Row("7 query not signed, none there", sent(signed_target="/inbox"), FORWARDED)
    yield Row("8 query not signed", sent(target="/inbox?a=1", signed_target="/inbox"), 401, "signature-mismatch")
    yield Row("8 query signed", sent(target="/inbox?a=1"), FORWARDED)
    for name in ("host", "digest", "(request-target)", "date"):
        yield Row(f"9 without {name}", sent(covered=without(name)), 401, "header-not-signed")
    yield Row("10 digest of another body", sent(sent_body=encode(changed())), 401, "digest-mismatch")
    yield Row("10 digest by MD5", sent(digest="MD5=Q2hlY2sgSW50ZWdyaXR5IQ=="), 401, "digest-algorithm")
    note = encode(changed())
    twice = f"{digest_header(note)},{digest_header(b'')}"
    yield Row("10 two digests", sent(activity=note, digest=twice), 401, "digest-several")

    def small_letters() -> bytes:
        body = encode(changed())
        return signed_post(alice, body, digest=digest_header(body, "sha-256"))

    yield Row("11 sha-256= in small letters", small_letters, FORWARDED)
    for name, value in (
        ("Digest", digest_header(b"")),
        ("Host", "lemmy.example"),
        ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("Signature", 'keyId="x"'),
        ("Content-Type", "application/json"),
    ):
        yield Row(
            f"12 {name} twice",
            sent(extra=[(name, value)]),
            400,
            "more than one Host" if name == "Host" else f"duplicate-{name.lower()}",
        )
    yield Row("13 signed for another host", sent(host="other.example"), 401, "host-not-ours")
    yield Row("14 59 minutes late", sent(date_offset=-59 * 60), FORWARDED)
    yield Row("14 61 minutes late", sent(date_offset=-61 * 60), 401, "date-outside-window")
    yield Row("15 date is none", sent(replace={"date": "yesterday"}), 401, "date-unreadable")
    hs2019: dict[str, Any] = {
        "algorithm": "hs2019",
        "covered": ("(request-target)", "(created)", "(expires)", "host", "digest"),
    }
    yield Row("15 expired", sent(**hs2019, created=-60, expires=-30), 401, "expired")
    yield Row("15 created tomorrow", sent(**hs2019, created=86400, expires=90000), 401, "created-outside-window")
    for software in ("gotosocial", "misskey", "wordpress", "lemmy"):
        yield Row(f"18 keyId of {software}", sent(alpha.actor(f"by-{software}", software=software)), FORWARDED)
    slashes = alpha.actor("slashes")
    slashes.key_id = slashes.key_id.replace("example/users", "example//users")
    alpha.add("//users/slashes", world_answers.document(slashes.document))
    yield Row("18 keyId with //", sent(slashes), FORWARDED)
    instance_actor = alpha.actor("instance", kind="Application")
    yield Row("24 signed by the instance actor", sent(instance_actor, changed()), 401, "key-not-listed-by-actor")
    yield Row(
        "25 id of another host", sent(activity=changed(id="https://beta.example/1")), 401, "activity-foreign-host"
    )
    yield Row("26 actor as object", sent(activity=changed(actor={"id": alice.id, "type": "Person"})), 400)
    yield Row("26 actor as array of 1", sent(activity=changed(actor=[alice.id])), 400, "actor")
    yield Row("26 actor as array of 2", sent(activity=changed(actor=[alice.id, alice.id])), 400, "actor")

    def unpublished(name: str, answer: Script) -> Actor:
        actor = beta.actor(name)
        beta.add(actor.path, answer)
        return actor

    yield Row(
        "30 key server 500", sent(unpublished("broken", world_answers.reply(status=500))), 503, "key-server-error"
    )
    yield Row("31 key 404", sent(unpublished("nobody", world_answers.reply(status=404))), 401, "key-not-found")
    gone = unpublished("gone", world_answers.reply(status=410))
    yield Row("32 key 410, deletes itself", sent(gone, say.delete_self(gone)), 202, "deleted-itself")
    yield Row("33 key 410", sent(gone), 401, "key-gone")

    rfc9421: dict[str, Any] = {"shape": "rfc9421"}
    yield Row("36 Fedify's RFC 9421", sent(**rfc9421), 401, "rfc9421-not-understood-upstream")
    covered = ("@method", "@target-uri", "host", "date")
    yield Row("38 body digest not covered", sent(**rfc9421, covered=covered), 401, "component-not-signed")
    yield Row("38 body digest malformed", sent(**rfc9421, content_digest="sha-256=:x"), 401, "content-digest-mismatch")
    wrong = content_digest_header(b"another")
    yield Row("38 body digest of another", sent(**rfc9421, content_digest=wrong), 401, "content-digest-mismatch")
    yield Row("39 covers only @method", sent(**rfc9421, covered=("@method",)), 401, "component-not-signed")

    plain = encode(changed())
    for name, body, reason in (
        ("duplicate key", plain[:-1] + b',"id":"https://alpha.example/2"}', "duplicate-key"),
        ("duplicate key, escaped", plain[:-1] + b',"\\u0069d":"https://alpha.example/2"}', "duplicate-key"),
        ("byte order mark", b"\xef\xbb\xbf" + plain, "bom"),
        ("lone surrogate", plain[:-1] + b',"x":"\\ud800"}', "lone-surrogate"),
        ("NaN", plain[:-1] + b',"x":NaN}', "not-finite"),
        ("1e999", plain[:-1] + b',"x":1e999}', "not-finite"),
        ("depth 1000", plain[:-1] + b',"x":' + b"[" * 1000 + b"]" * 1000 + b"}", "too-deep"),
    ):
        yield Row(f"50 {name}", sent(activity=body), 400, reason)
    yield Row("52 text/plain", sent(content_type="text/plain"), 415, "content-type")


def test_every_row_is_answered_forwarded_and_named_as_the_matrix_says() -> None:
    async def main() -> list[str]:
        wrong = []
        async with World(policy=POLICY) as world:
            for row in rows(world):
                for one_byte in (False, True):
                    raw, heard, received = row.raw(), len(world.daemon.log.items), len(world.lemmy.received)
                    answer = await world.send(raw, one_byte=one_byte)
                    line = await world.log_line(lambda line: "status" in line, after=heard)
                    reason = None if line.get("verdict") == "accepted" else line["reason"]
                    if (answer.status, reason) != (row.status, row.reason):
                        wrong.append(f"{row.name}: {answer.status} {line['reason']} {line.get('detail')}")
                    new = world.lemmy.received[received:]
                    if len(new) != (row.reason is None):
                        wrong.append(f"{row.name}: reached Lemmy {len(new)} times")
                    for arrived in new:
                        head, _, body = raw.partition(b"\r\n\r\n")
                        if arrived.head != head + b"\r\n\r\n" or arrived.body != body or arrived.status != row.status:
                            wrong.append(f"{row.name}: not the same bytes, or Lemmy said {arrived.error}")
        return wrong

    wrong = trio.run(main)
    assert not wrong, "\n".join(wrong)


def test_a_401_for_rfc9421_does_not_ask_for_it_again() -> None:
    async def main() -> None:
        async with World(policy=POLICY) as world:
            alice = world.fediverse["alpha.example"].actor("alice")
            answer = await world.deliver(alice, say.mastodon_note(alice, "<p>Hi</p>"), shape="rfc9421")
            assert answer.status == 401
            assert b"accept-signature" not in dict(answer.headers)
            line = await world.log_line(lambda line: line["event"] == "delivery")
            assert line["signature"] == "verified"

    trio.run(main)


def test_row_28_a_replaced_key_is_fetched_again_once() -> None:
    async def main() -> None:
        async with World(policy=POLICY) as world:
            host = world.fediverse["alpha.example"]
            alice = host.actor("alice")
            assert (await world.deliver(alice, say.mastodon_note(alice, "1"))).status == 200
            alice.rotate()
            for _ in range(3):
                assert (await world.deliver(alice, say.mastodon_note(alice, "2"))).status == 200
            assert host.requests[alice.path] == 2

    trio.run(main)


def test_row_29_a_hundred_bad_signatures_cost_at_most_one_fetch() -> None:
    async def main() -> None:
        async with World(policy=POLICY) as world:
            host = world.fediverse["alpha.example"]
            alice = host.actor("alice")
            assert (await world.deliver(alice, say.mastodon_note(alice, "1"))).status == 200
            impostor = Actor("alpha.example", "alice")
            impostor.rotate()
            for _ in range(100):
                assert (await world.deliver(impostor, say.mastodon_note(alice, "2"))).status == 401
            assert host.requests[alice.path] <= 2

    trio.run(main)


def test_row_54_what_lemmy_answers_is_passed_on_unchanged() -> None:
    async def main() -> None:
        async with World(policy=POLICY) as world:
            alice = world.fediverse["alpha.example"].actor("alice")
            world.lemmy.script(Refuse(400, "couldnt_create_post"))
            answer = await world.deliver(alice, say.mastodon_note(alice, "1"))
            assert answer.status == 400
            assert answer.body == b'{"error": "couldnt_create_post"}'

    trio.run(main)
