"""Whatever is delivered, the street ends in a value or in MalformedRequest: no other exception, by hypothesis.

Activities of real shapes are broken in places, wrapped, and mixed with made-up ones; the same is done to the signed
headers. Everything pure that a delivery passes on its way runs over them. What is chosen is the same in every run;
RELAYFILTER_EXAMPLES=100000 tries more than the default.
"""

from __future__ import annotations

import json
import os
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relayfilter.activity.document import Activity, is_self_delete, parse_activity
from relayfilter.activity.media_refs import find_media
from relayfilter.activity.references import find_references
from relayfilter.errors import MalformedRequest
from relayfilter.gates.inbox import describe, log_fields
from relayfilter.media.finding import Labelled, MediaReport, Uninspectable
from relayfilter.policy.decide import decide
from relayfilter.policy.evidence import InspectedMedia
from relayfilter.policy.load import load_policy
from relayfilter.request import InboxRequest
from relayfilter.signatures.claim import Claim, precheck, read_claim, verify
from relayfilter.signatures.owner import check_ids, check_key_id
from relayfilter.signatures.result import ActorKey, BadSignature, NoSignature, SignatureResult, Verified
from relayfilter.stages import gather, subjects
from relayfilter.street import Outcome
from tests.support import world_activities as say
from tests.support.signing import SENDERS, Signed, cavage, keypair, rfc9421
from tests.support.world import SHIPPED_POLICY
from tests.support.world_actors import Actor

EXAMPLES = int(os.environ.get("RELAYFILTER_EXAMPLES", "1000"))
NOW = 1_700_000_000.0
HOST = "lemmy.example"
POLICY = load_policy(SHIPPED_POLICY.read_text(), "policy.toml")

ALICE, GROUP = Actor("alpha.example", "alice"), Actor("alpha.example", "group", kind="Group", software="lemmy")
KEY = keypair("fuzz")
ALICE_KEY = ActorKey(ALICE.key_id, ALICE.id, KEY.public_pem, NOW)
PICTURE = "https://beta.example/1.png"
PAGE = say.page(ALICE, GROUP, say.image_attachment(PICTURE), markdown="![a](https://b.example/2.png)")
SEEDS: tuple[dict[str, Any], ...] = (
    say.mastodon_note(ALICE, "<p>Hi</p>", say.document_attachment(PICTURE)),
    say.create(ALICE, GROUP, PAGE),
    say.announce(GROUP, say.update(ALICE, GROUP, PAGE)),
    say.announce(GROUP, "https://alpha.example/post/1"),
    say.like(ALICE, GROUP, "https://alpha.example/post/1"),
    say.chat_message(ALICE, "https://lemmy.example/u/bob", "Hi"),
    say.delete_self(ALICE),
    say.peertube_video(ALICE, GROUP, "https://beta.example/1.jpg"),
)

_NAMES = (
    *("@context", "id", "type", "actor", "object", "target", "to", "cc", "audience", "attributedTo", "inReplyTo"),
    *("name", "content", "contentMap", "mediaType", "source", "summary", "sensitive", "published", "url", "href"),
    *("attachment", "image", "icon", "preview", "tag", "publicKey", "proof", "signature", "@graph", "oneOf"),
)
_ACTIVITIES = ("Create", "Announce", "Update", "Delete", "Like", "Undo", "Flag", "Add")
_TYPES = (*_ACTIVITIES, "Note", "Page", "Video", "Image", "Link")
_TEXTS = (
    *("", "x", "https://alpha.example/1", "https://ALPHA.example:443/a#b", "http://[::1]/", "https://\u00fc.example/"),
    *(
        "javascript:1",
        "data:image/png,",
        "![a](b)",
        "[a]: b\n\n![a]",
        "<img src=x>",
        "<img srcset='a 1x, b'>",
        "\x00\x1b\u202e",
    ),
    *("https://www.w3.org/ns/activitystreams#Public", "text/markdown", "image/png", "2026-01-02T03:04:05Z", "\ud800"),
)
texts = st.sampled_from((*_TEXTS, *_TYPES)) | st.text(max_size=12)
numbers = st.integers(-(2**70), 2**70) | st.floats()
scalars = st.none() | st.booleans() | numbers | texts
names = st.sampled_from(_NAMES)
values = st.recursive(
    scalars, lambda inside: st.lists(inside, max_size=3) | st.dictionaries(names, inside, max_size=4), max_leaves=8
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """An activity of a real shape, changed in up to three places and wrapped up to twice; or something made up."""
    document: dict[str, Any] = json.loads(json.dumps(draw(st.sampled_from(SEEDS))))
    for _ in range(draw(st.integers(0, 3))):
        _change(draw, document)
    for _ in range(draw(st.integers(0, 2))):
        kind = draw(st.sampled_from(_ACTIVITIES))
        document = {"id": document.get("id"), "type": kind, "actor": document.get("actor"), "object": document}
    return document


def _change(draw: st.DrawFn, document: dict[str, Any]) -> None:
    node = document
    while draw(st.booleans()) and (inner := [value for value in node.values() if isinstance(value, dict) and value]):
        node = draw(st.sampled_from(inner))
    name = draw(st.sampled_from(sorted(node)) | names) if node else draw(names)
    if draw(st.integers(0, 4)) == 0:
        node.pop(name, None)
    else:
        node[name] = draw(values)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A document as senders write it, at times with a few bytes wrong."""
    body = json.dumps(draw(documents()), separators=(",", ":")).encode()
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2)))):
        at = draw(st.integers(0, len(body)))
        piece = draw(
            st.binary(max_size=3) | st.sampled_from((b'"', b"{", b"]", b"\\ud800", b"1e999", b"NaN", b',"id":1'))
        )
        body = body[:at] + piece + body[at + draw(st.integers(0, 3)) :]
    return body


_WRONG = (b'"', b"{", b"]", b"\\ud800", b"1e999", b"NaN", b',"id":1')

_FIELDS = (
    *("host", "date", "digest", "content-digest", "content-type", "signature", "signature-input", "authorization"),
    *("connection", "x-other"),
)
_PIECES = (
    *(
        b"",
        b'"',
        b",",
        b";",
        b"=",
        b":",
        b"(",
        b")",
        b"\\",
        b" ",
        b"%",
        b"\xff",
        b"sig1=",
        b"sig2=()",
        b":AAAA:",
        b"?1",
    ),
    *(b'keyId="x"', b'headers="(created)"', b";bs", b';key="a"', b'"@query-param"', b'"@status"', b"created=-1"),
    *(b"99999999999999999999", b"?1"),
)


@st.composite
def deliveries(draw: st.DrawFn) -> InboxRequest:
    """A signed request with up to three header lines changed after signing."""
    body = draw(bodies())
    shape = draw(st.sampled_from((*SENDERS, "rfc9421")))
    target = draw(st.sampled_from(("/inbox", "/inbox?a=1", "//inbox", "/u/%00", "*", "https://lemmy.example/inbox")))
    key_id = draw(st.sampled_from((ALICE.key_id,) * 3 + ("https://beta.example/k", "acct:a@b", "x")))
    changes: dict[str, Any] = {"host": HOST, "target": target, "now": NOW}
    signed = (
        rfc9421(KEY, key_id, body, **changes)
        if shape == "rfc9421"
        else cavage(KEY, key_id, body, **{**changes, **SENDERS[shape]})
    )
    headers = [list(line) for line in signed.headers]
    for _ in range(draw(st.integers(0, 3))):
        _change_line(draw, headers)
    lines = [(name, value) for name, value in headers]
    return Signed(lines, body).as_request(target, received_at=NOW)


def _change_line(draw: st.DrawFn, headers: list[list[bytes]]) -> None:
    piece = draw(st.sampled_from(_PIECES) | st.binary(max_size=6).filter(lambda text: not {10, 13, 0} & set(text)))
    line = draw(st.sampled_from(headers))
    match draw(st.integers(0, 4)):
        case 0:
            headers.remove(line) if len(headers) > 1 else None
        case 1:
            headers.append([draw(st.sampled_from(_FIELDS)).encode(), piece])
        case 2:
            line[1] = piece
        case _:
            at = draw(st.integers(0, len(line[1])))
            line[1] = line[1][:at] + piece + line[1][at + draw(st.integers(0, 8)) :]


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(deliveries(), st.booleans())
def test_no_unexpected_exception(request: InboxRequest, clear: bool) -> None:
    outcome = _walk(request, clear=clear)
    record = describe(request, outcome, 1)
    msgspec.json.encode(log_fields(record))
    assert msgspec.json.decode(msgspec.json.encode(record))["reason"]


def _walk(request: InboxRequest, *, clear: bool) -> Outcome:
    """The street without its waits: the key is at hand, and the media are all fine (`clear`) or all unreadable."""
    try:
        activity = parse_activity(request.body)
        claim = read_claim(request)
    except MalformedRequest as malformed:
        return Outcome("refused", malformed.status, malformed.reason)
    is_self_delete(activity)
    subjects(activity, find_references(activity))
    report = MediaReport(findings=(Labelled("m", "neutral", 0.9) if clear else Uninspectable("timeout"),))
    media = tuple(InspectedMedia(ref, report) for ref in find_media(activity.document).refs)
    sender = _identify(request, claim, activity)
    evidence = gather(activity, sender if isinstance(sender, Verified) else None, media, None, NOW)
    decision = decide(POLICY, evidence, enforceable=frozenset())
    return Outcome(
        "rejected",
        403,
        decision.reason,
        activity=activity,
        claim=claim,
        sender=sender,
        media=media,
        decision=decision,
    )


def _identify(request: InboxRequest, claim: Claim | NoSignature | BadSignature, activity: Activity) -> SignatureResult:
    if isinstance(claim, NoSignature | BadSignature):
        return claim
    if bad := check_ids(activity.actor, activity.id):
        return bad
    checked = precheck(request, claim, domains=frozenset({HOST}), now=NOW)
    if isinstance(checked, BadSignature):
        return checked
    for key_id in claim.key_ids:
        check_key_id(key_id, activity.actor)
    return verify(checked, ALICE_KEY, actor=activity.actor)
