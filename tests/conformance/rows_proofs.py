"""Rows 46 to 49: signatures inside the document. They are evidence for policy and the log, and never a substitute for
the HTTP signature of the actor, which is all that Lemmy looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tests.support.cases import Case, Scene, note, signed
from tests.support.linked_signing import multikey, sign_linked, sign_proof
from tests.support.signing import keypair
from tests.support.world_actors import ACTIVITYSTREAMS, SECURITY, Actor
from tests.support.world_delivery import Answer

Document = dict[str, Any]
Sign = Callable[[Document], Document]

_CONTEXT = [ACTIVITYSTREAMS, SECURITY, "https://w3id.org/security/data-integrity/v1"]
_CLIQUE = 7


def cases(scene: Scene) -> Iterator[Case]:
    author, relay = scene.somebody("author"), scene.bob
    method = f"{author.id}#ed25519-key"
    pair = keypair("matrix", "ed25519")
    author.extra["assertionMethod"] = [
        {"id": method, "type": "Multikey", "controller": author.id, "publicKeyMultibase": multikey(pair)}
    ]

    def linked(document: Document) -> Document:
        return sign_linked(document, author.key, author.key_id)

    def proven(document: Document) -> Document:
        return sign_proof(document, pair, method)

    yield from _relayed(author, relay, linked, proven)
    yield from _reshaped(scene, author, linked)
    yield from _poisoned(author)

    def both(document: Document) -> Document:
        return linked(proven(document))

    valid = {"proof": "valid", "linked": "valid"}
    yield Case(49, "Fedify: proof and signature both", _by(author, both), "F", log=valid)


def _by(author: Actor, sign: Sign, *, sender: Actor | None = None, **members: Any) -> Any:
    """The delivery of a note that `author` signs inside, and `sender` (or the author) in HTTP."""
    return signed(sender or author, lambda: sign(note(author, **{"@context": _CONTEXT, **members})))


def _relayed(author: Actor, relay: Actor, linked: Sign, proven: Sign) -> Iterator[Case]:
    for name, sign in (
        ("Mastodon's forwarded reply: valid signature, another's HTTP signature", linked),
        ("valid proof, a relay's HTTP signature", proven),
    ):
        yield Case(46, name, _by(author, sign, sender=relay), 401, "key-foreign-origin")
    for name, sign, log in (
        ("valid signature (Friendica, Smithereen) by the sender himself", linked, {"linked": "valid"}),
        ("valid proof by the sender himself", proven, {"proof": "valid"}),
    ):
        yield Case(46, name, _by(author, sign), "F", log=log)

    def altered(document: Document) -> Document:
        return linked(document) | {"summary": "Not what was signed"}

    yield Case(46, "signature over something else", _by(author, altered), "F", log=_INVALID)


_INVALID = {"linked": "invalid"}


def _reshaped(scene: Scene, author: Actor, linked: Sign) -> Iterator[Case]:
    """The keywords are put in after signing: some change nothing of the graph, so that the signature would hold."""
    inner = {"id": "https://beta.example/other", "type": "Note"}

    def reshaped(added: Document, document: Document) -> Document:
        return linked(document) | added

    for keyword, value in (("@graph", [inner]), ("@included", [inner]), ("@reverse", {"object": inner})):
        request = _by(author, partial(reshaped, {keyword: value}))
        yield Case(47, keyword, request, "F", log=_INVALID)

    def unasked(_answer: Answer) -> str | None:
        return "the context was fetched" if scene.beta.requests["/context.jsonld"] else None

    def foreign(document: Document) -> Document:
        return linked(document) | {"@context": [*_CONTEXT, scene.beta.url("/context.jsonld")]}

    unknown = _by(author, foreign)
    yield Case(47, "unknown context", unknown, "F", log=_INVALID, also=unasked)


def _poisoned(author: Actor) -> Iterator[Case]:
    """No honest signature is needed: it would be checked only after all the work."""

    def unsound(document: Document) -> Document:
        signature = {"type": "RsaSignature2017", "creator": author.key_id, "signatureValue": "AAAA"}
        return document | {"signature": signature | {"created": "2026-01-02T03:04:05Z"}}

    names = [f"_:b{number}" for number in range(_CLIQUE)]
    clique = [{"id": name, "tag": [other for other in names if other != name]} for name in names]
    deep: Document = {"type": "Note"}
    for _ in range(25):
        deep = {"type": "Note", "replies": deep}
    skipped: Any = {"log": {"linked": "skipped"}, "within": 0.5}
    yield Case(48, f"poison clique of {_CLIQUE}", _by(author, unsound, tag=clique), "F", **skipped)
    yield Case(48, "as deep as is read at all", _by(author, unsound, replies=deep), "F", **skipped)
    deepest: Any = []
    for _ in range(200):
        deepest = [deepest]
    yield Case(48, "depth 200", _by(author, unsound, replies=deepest), 400, "too-deep", within=0.5)
