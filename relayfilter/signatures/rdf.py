"""What a JSON document means as linked data, by PyLD and the contexts that are known here. Importing it loads PyLD.

PyLD is correct but was not made for hostile documents. Three things keep it bounded:

1. LIMITS: it never sees what no honest activity needs. Its work is quadratic in places, and Python's recursion ends.
2. Canonicalisation (URDNA2015) names blank nodes by what stands around them and is factorial when they look alike:
   seven of them in 600 bytes take seconds. The factorial part works on blank nodes whose own quads look the same, and
   only along quads that join two of these. A graph that has such a quad is refused, and what is left is polynomial.
   Look-alikes that touch only named things (the same attachment twice) are harmless and pass.
3. It is called in a process that can be killed at its deadline.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
from pyld import jsonld  # type: ignore[import-untyped]
from pyld.canon import URDNA2015  # type: ignore[import-untyped]
from pyld.documentloader.frozen import BUNDLED_CONTEXTS, FrozenDocumentLoader  # type: ignore[import-untyped]

from relayfilter.signatures.contexts import ACTIVITYSTREAMS, KNOWN, OWN

Document = dict[str, Any]
T = TypeVar("T")

LIMITS: Final = {"too-deep": 24, "too-many-values": 2_000, "too-many-blank-nodes": 128}
"""Nested objects and arrays; members and items in all; objects without an id."""


class Refused(msgspec.Struct, frozen=True):
    """The document was not read. Reasons: the keys of LIMITS, `unknown-context`, `blank-nodes-alike`, `recursion`, and
    `json-ld-error`; its `detail` is PyLD's code for what is wrong, or the type of the exception that it fell over."""

    reason: str
    detail: str = ""


def expand(document: Document) -> list[Any] | Refused:
    """The expanded form (JSON-LD 1.1 API, section 5.1): every member by its IRI, every value in an array.

    A document is read as ActivityStreams even if its `@context` does not say so (Activity Streams 2.0, section 2.1).
    """
    return _unless_refused(document, _expand)


def canonical_nquads(document: Document) -> str | Refused:
    """The canonical N-Quads (URDNA2015). Members that no context defines are not in them."""
    return _unless_refused(document, _canonicalise)


def check(document: Document) -> Refused | None:
    """Why this document is not handed to PyLD, if so. Bounded itself by LIMITS."""
    values = blank_nodes = 0
    level: list[Any] = [document]
    for _ in range(LIMITS["too-deep"]):
        children: list[Any] = []
        for node in level:
            values += len(node)
            if isinstance(node, dict):
                blank_nodes += not any(isinstance(node.get(name), str) for name in ("id", "@id"))
                if "@context" in node and not _is_known(node["@context"]):
                    return Refused("unknown-context")
            children += node.values() if isinstance(node, dict) else node
        if values > LIMITS["too-many-values"]:
            return Refused("too-many-values")
        level = [child for child in children if isinstance(child, (dict, list))]
        if not level:
            return Refused("too-many-blank-nodes") if blank_nodes > LIMITS["too-many-blank-nodes"] else None
    return Refused("too-deep")


def _is_known(context: object) -> bool:
    contexts = context if isinstance(context, list) else [context]
    if any(isinstance(one, dict) and "@import" in one for one in contexts):
        return False
    return all(one in KNOWN for one in contexts if isinstance(one, str))


def _has_alike_neighbours(dataset: dict[str, Any]) -> bool:
    """Does a quad join two blank nodes that URDNA2015's first step (Hash First Degree Quads) cannot tell apart from
    others?"""
    joined: list[set[str]] = []
    seen_by: defaultdict[str, list[tuple[object, ...]]] = defaultdict(list)
    for graph, triples in dataset.items():
        for triple in triples:
            parts = (triple["subject"], triple["object"], {"type": "graph", "value": graph})
            blanks = {part["value"] for part in parts if part["value"].startswith("_:") and part["type"] != "literal"}
            for blank in blanks:
                seen_by[blank].append((triple["predicate"]["value"], *(_seen_from(blank, part) for part in parts)))
            joined.append(blanks)
    looks = {blank: tuple(sorted(map(repr, quads))) for blank, quads in seen_by.items()}
    times = Counter(looks.values())
    return any(sum(times[looks[blank]] > 1 for blank in blanks) > 1 for blanks in joined)


def _seen_from(blank: str, part: dict[str, Any]) -> object:
    if part["type"] == "literal":
        return sorted(part.items())
    if part["value"].startswith("_:"):
        return "_:a" if part["value"] == blank else "_:z"
    return part["value"]


def _expand(document: Document) -> list[Any]:
    expanded: list[Any] = jsonld.expand(document, {**_OPTIONS, "expandContext": ACTIVITYSTREAMS})
    return expanded


def _canonicalise(document: Document) -> str | Refused:
    dataset: dict[str, Any] = jsonld.to_rdf(document, _OPTIONS)
    if _has_alike_neighbours(dataset):
        return Refused("blank-nodes-alike")
    quads: str = URDNA2015().main(dataset, {"format": "application/n-quads"})
    return quads


def _unless_refused(document: Document, read: Callable[[Document], T | Refused]) -> T | Refused:
    if refused := check(document):
        return refused
    try:
        return read(document)
    except RecursionError:
        return Refused("recursion")
    except Exception as error:  # noqa: BLE001 - PyLD falls over odd documents in many ways of its own
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        return Refused("json-ld-error", str(getattr(cause, "code", None) or type(cause).__name__)[:100])


class _Loader(FrozenDocumentLoader):  # type: ignore[misc]
    """Lets PyLD keep the contexts that it has read once: they never change."""

    def __call__(self, url: str, options: Document) -> Document:
        return {**super().__call__(url, options), "tag": "static"}


_OPTIONS: Final = {
    "documentLoader": _Loader(
        {url: json.loads(path.read_bytes()) for url, path in {**BUNDLED_CONTEXTS, **OWN}.items() if url in KNOWN}
    )
}
