"""What reading costs front: microseconds for an ordinary delivery by stage, and milliseconds for the most hostile texts
that a delivery may carry."""

from __future__ import annotations

import json
import timeit
from collections.abc import Callable

from relayfilter.activity.document import parse_activity
from relayfilter.activity.jsonld import needs_second_reading
from relayfilter.activity.markup import MarkupReader
from relayfilter.activity.media_refs import find_media
from relayfilter.activity.references import find_references
from relayfilter.signatures.contexts import KNOWN
from tests.activity.test_markup import BOMBS
from tests.support import world_activities as say
from tests.support.world_actors import Actor

CHARACTERS = 262_144


def run() -> dict[str, object]:
    """Prints and returns the times; the quickest of five repeats."""
    community, author = Actor("alpha.example", "town", kind="Group"), Actor("beta.example", "author")
    page = say.page(author, community, say.image_attachment("https://beta.example/1.png"), markdown="Some words. " * 60)
    raw = json.dumps(say.announce(community, say.create(author, community, page))).encode()
    activity = parse_activity(raw)
    stages: dict[str, Callable[[], object]] = {
        "parse": lambda: parse_activity(raw),
        "references": lambda: find_references(activity),
        "media": lambda: find_media(activity.document),
        "second reading?": lambda: needs_second_reading(activity.document, KNOWN),
    }
    ordinary = {name: _seconds(stage, 200) * 1e6 for name, stage in stages.items()}
    worst = {
        language: max(_seconds(lambda: _read(language, bomb), 1) for bomb in BOMBS) * 1e3  # noqa: B023 - called at once
        for language in ("markdown", "html")
    }
    print(f"reading an announced page of {len(raw)} bytes, microseconds")
    for name, micros in ordinary.items():
        print(f"  {name:16} {micros:7.1f}")
    print(f"the most hostile of {len(BOMBS)} texts of {CHARACTERS} characters, milliseconds")
    for language, millis in worst.items():
        print(f"  {language:16} {millis:7.1f}")
    return {"ordinary_us": ordinary, "worst_ms": worst}


def _read(language: str, bomb: str) -> None:
    text, reader = (bomb * CHARACTERS)[:CHARACTERS], MarkupReader()
    _ = reader.html(text) if language == "html" else reader.markdown(text)


def _seconds(work: Callable[[], object], number: int) -> float:
    return min(timeit.repeat(work, number=number, repeat=5)) / number
