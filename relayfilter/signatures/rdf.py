"""What a JSON document means as linked data, by PyLD and the contexts that are known here. Importing it loads PyLD.

PyLD is correct but was not made for hostile documents. Three things keep it bounded:

1. LIMITS: it never sees what no honest activity needs. Some of its work is quadratic, and Python's recursion ends.
2. Canonicalisation (URDNA2015) names blank nodes by what stands around them. Where they look alike it tries their
   orders, and that is factorial: seven of them in 600 bytes take seconds. Every order costs at least one call of its
   Hash N-Degree Quads, so those calls are counted. Honest documents need some, for pictures with the same focal point.
3. It is called in a process that can be killed at its deadline.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, TypeVar

import msgspec

from relayfilter.signatures.contexts import ACTIVITYSTREAMS, KNOWN, OWN

# PyLD wants lxml for documents in HTML, which it is never given here: an empty module saves 4 MB in every process.
sys.modules.setdefault("lxml.html", ModuleType("lxml.html"))

from pyld import jsonld  # type: ignore[import-untyped]  # noqa: E402
from pyld.canon import URDNA2015  # type: ignore[import-untyped]  # noqa: E402
from pyld.documentloader.frozen import BUNDLED_CONTEXTS, FrozenDocumentLoader  # type: ignore[import-untyped]  # noqa: E402

Document = dict[str, Any]
T = TypeVar("T")

LIMITS: Final = {"too-deep": 24, "too-many-values": 1_000, "too-many-contexts": 32, "blank-nodes-alike": 128}
"""Nested objects and arrays; members and items in all; contexts named or written out, in all; calls of Hash N-Degree
Quads."""


class Refused(msgspec.Struct, frozen=True):
    """The document was not read. Reasons: the keys of LIMITS, `unknown-context`, `recursion`, and
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
    values = contexts = 0
    level: list[Any] = [document]
    for _ in range(LIMITS["too-deep"]):
        children: list[Any] = []
        for node in level:
            values += len(node)
            if isinstance(node, dict) and "@context" in node:
                named = node["@context"] if isinstance(node["@context"], list) else [node["@context"]]
                contexts += len(named)
                if not all(map(_is_known, named)):
                    return Refused("unknown-context")
            children += node.values() if isinstance(node, dict) else node
        if values > LIMITS["too-many-values"]:
            return Refused("too-many-values")
        level = [child for child in children if isinstance(child, (dict, list))]
        if not level:
            return Refused("too-many-contexts") if contexts > LIMITS["too-many-contexts"] else None
    return Refused("too-deep")


def _is_known(context: object) -> bool:
    return context in KNOWN if isinstance(context, str) else not (isinstance(context, dict) and "@import" in context)


def _expand(document: Document) -> list[Any]:
    expanded: list[Any] = jsonld.expand(document, {**_OPTIONS, "expandContext": ACTIVITYSTREAMS})
    return expanded


def _canonicalise(document: Document) -> str | Refused:
    dataset: dict[str, Any] = jsonld.to_rdf(document, _OPTIONS)
    try:
        quads: str = _BoundedURDNA2015().main(dataset, {"format": "application/n-quads"})
    except _TooAlike:
        return Refused("blank-nodes-alike")
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


class _TooAlike(Exception):
    """The blank nodes of a document have too many orders."""


class _BoundedURDNA2015(URDNA2015):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self._calls = 0

    def hash_n_degree_quads(self, id_: str, issuer: Any) -> Any:
        self._calls += 1
        if self._calls > LIMITS["blank-nodes-alike"]:
            raise _TooAlike
        return super().hash_n_degree_quads(id_, issuer)


class _Numbers:
    """Names for contexts, unique in this process. PyLD asks uuid1 for them, hence libuuid, which opens a socket to a
    daemon and a file of its own."""

    def __init__(self) -> None:
        self._next = itertools.count()

    def uuid1(self) -> int:
        return next(self._next)


class _Loader(FrozenDocumentLoader):  # type: ignore[misc]
    """Lets PyLD keep the contexts that it has read once: they never change."""

    def __call__(self, url: str, options: Document) -> Document:
        return {**super().__call__(url, options), "tag": "static"}


_OPTIONS: Final = {
    "documentLoader": _Loader(
        {url: json.loads(path.read_bytes()) for url, path in {**BUNDLED_CONTEXTS, **OWN}.items() if url in KNOWN}
    )
}
jsonld.uuid = _Numbers()
