"""Rows 53 to 55: the same delivery again, Lemmy's own answers, and senders who knock twice."""

from __future__ import annotations

from collections.abc import Iterator

from tests.conformance.rows_rfc9421 import NOT_UNDERSTOOD, does_not_ask_for_it
from tests.support.cases import Case, Scene, Send, note
from tests.support.lemmy import Refuse
from tests.support.world_delivery import Answer, signed_post


def cases(scene: Scene) -> Iterator[Case]:
    alice, lemmy = scene.alice, scene.world.lemmy

    async def replay(send: Send) -> bytes:
        raw = signed_post(alice, note(alice))
        assert (await send(raw)).status == 200
        return raw

    yield Case(53, "identical replay inside the window", replay, 202, "already-passed", log={"verdict": "dropped"})

    async def after_503(send: Send) -> bytes:
        raw = signed_post(alice, note(alice))
        await lemmy.down()
        assert (await send(raw)).status == 503
        await lemmy.up()
        return raw

    yield Case(53, "identical, after our 503", after_503, "F")

    async def refused_by_lemmy(_send: Send) -> bytes:
        lemmy.script(Refuse(400, "couldnt_create_post"))
        return signed_post(alice, note(alice))

    def unchanged(answer: Answer) -> str | None:
        return None if answer.body == b'{"error": "couldnt_create_post"}' else f"answered {answer.body!r}"

    yield Case(54, "what Lemmy refuses", refused_by_lemmy, "F", lemmy=400, also=unchanged)

    async def knock_again(send: Send) -> bytes:
        activity = note(alice)
        first = await send(signed_post(alice, activity, shape="rfc9421"))
        assert first.status == 401
        assert does_not_ask_for_it(first) is None
        return signed_post(alice, activity)

    yield Case(55, "Fedify knocks with RFC 9421, then with cavage", knock_again, "F")

    async def knock_the_other_way(send: Send) -> bytes:
        activity = note(alice)
        first = await send(signed_post(alice, activity, signed_target="/other"))
        assert first.status == 401
        return signed_post(alice, activity, shape="rfc9421")

    name = "Mastodon 4.7 knocks with cavage, which is bad, then with RFC 9421"
    yield Case(55, name, knock_the_other_way, 401, NOT_UNDERSTOOD, also=does_not_ask_for_it)
