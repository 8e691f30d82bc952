"""What a decision costs at 500 rules and 50,000 listed instances, by what the rules ask. No rule matches, so that all
are asked; nothing is run beside it, as there is nothing else that decides."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from functools import partial

from relayfilter.activity.media_ref import MediaRef
from relayfilter.media.finding import Labelled, MediaReport, Picture
from relayfilter.policy.decide import decide
from relayfilter.policy.evidence import Evidence, InspectedMedia
from relayfilter.policy.load import load_policy
from relayfilter.policy.rules import Policy

RULES = 500
LISTED = 50_000
TARGET = 50.0

_PICTURE = InspectedMedia(
    MediaRef("/object/attachment/0/url", "https://h1.example/1.jpg", "attachment"),
    MediaReport(
        findings=(Labelled("open_nsfw", "nsfw", 0.2),),
        picture=Picture(format="jpeg", width=1, height=1, frames=1, sha256=b"", pdq=(), pdq_quality=0),
        bytes=100_000,
    ),
)
_MIXED = (
    "instance = ['*.x{n}.example', 'y{n}.example']",
    "actor = 'https://h1.example/u/{n}'",
    "community = 'https://far.example/c/{n}'\nwhen.activity = 'Create'",
    "instance = '@big'\nwhen.score = {{ nsfw = '>= 0.9{n}' }}",
    "slot = 'link'\nwhen.uninspectable = ['http-*', 'dns', 'r{n}']",
    "account_age = '< {n}s'\nwhen.has_media = true",
    "hash_list = ['l{n}', 'm{n}']",
    "bytes = '> {n}00000'\nwhen.format = 'png'",
    "inner_instance = '@big'\nwhen.sensitive = true",
    "object = 'Note'\nwhen.scheme = 'rfc9421'",
)
# What every rule asks; {n} is its number.
KINDS: dict[str, tuple[str, ...]] = {
    "mixed": _MIXED,
    "strangers": ("instance = ['@big', '*.x{n}.example']\nwhen.activity = 'T{n}'",),
    "actor": ("actor = ['https://h1.example/u/{n}', 'https://h2.example/u/{n}']",),
    "activity": ("activity = ['Undo', 'T{n}']",),
    "community": ("community = 'https://far.example/c/{n}'",),
    "instance and activity": ("instance = '@big'\nwhen.activity = 'Like'\nwhen.object = 'T{n}'",),
    "instance and account age": ("instance = '@big'\nwhen.account_age = '< {n}s'",),
    "instance and score": ("instance = '@big'\nwhen.score = {{ nsfw = '>= 0.9{n}' }}",),
    "instance and reason": ("instance = '@big'\nwhen.uninspectable = ['http-*', 'r{n}']",),
}


def case(kind: str) -> tuple[Policy, Evidence]:
    """The policy of one kind, and a delivery with a picture from a listed instance that none of its rules matches."""
    hosts = "\n".join(f"h{number}.example" for number in range(LISTED))
    asked = [KINDS[kind][number % len(KINDS[kind])].format(n=number) for number in range(RULES)]
    rules = "".join(
        f'[[rules]]\nname = "r{number}"\nreason = "r"\naction = "reject"\nwhen.{conditions}\n'
        for number, conditions in enumerate(asked)
    )
    top = 'default = "accept"\non_uninspectable = "reject"\nlists.big = { file = "big.txt", format = "plain" }\n'
    subject = Evidence(
        gate="inbox",
        actor="https://h1.example/u/ann",
        instance="h1.example",
        activity_type="Create",
        object_type="Page",
        inner_actor="https://a.b.c.d.far.example/u/bob",
        community="https://far.example/c/birds",
        scheme="cavage",
        media=(_PICTURE,),
        account_age=1e6,
        seen_activities=20,
    )
    return load_policy(top + rules, "policy.toml", lambda _: hosts), subject


def run() -> dict[str, object]:
    """Prints and returns microseconds for a decision, by what the rules ask."""
    print(f"one decision at {RULES} rules and {LISTED} listed instances (target: under {TARGET:g} microseconds)")
    found: dict[str, object] = {}
    for kind in KINDS:
        policy, subject = case(kind)
        micros = _best(partial(decide, policy, subject, enforceable=frozenset()))
        found[kind] = round(micros, 1)
        print(f"  {kind:26} {micros:6.1f} us{'' if micros < TARGET else '   TOO SLOW'}")
    return {"microseconds_per_decision": found}


def _best(call: Callable[[], object]) -> float:
    return min(timeit.repeat(call, number=100, repeat=20)) / 100 * 1e6
