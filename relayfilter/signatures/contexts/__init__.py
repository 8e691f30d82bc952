"""The JSON-LD contexts that are known here. No other can be: nothing is ever fetched to read a document.

Term definitions as their publishers serve them. PyLD brings four; the others lie beside this file:

| file | published by |
|---|---|
| identity-v1 | W3C Credentials Community Group; the options of an RsaSignature2017 are written in it |
| data-integrity-v1, data-integrity-v2, multikey-v1 | W3C Verifiable Credentials Working Group |
| lemmy | Lemmy, `crates/apub/assets/lemmy/context.json` and its successor |
| webfinger | FEP-2c59 |
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

ACTIVITYSTREAMS: Final = "https://www.w3.org/ns/activitystreams"
IDENTITY: Final = "https://w3id.org/identity/v1"

_HERE = Path(__file__).parent
OWN: Final = {
    IDENTITY: _HERE / "identity-v1.jsonld",
    "https://w3id.org/security/data-integrity/v1": _HERE / "data-integrity-v1.jsonld",
    "https://w3id.org/security/data-integrity/v2": _HERE / "data-integrity-v2.jsonld",
    "https://w3id.org/security/multikey/v1": _HERE / "multikey-v1.jsonld",
    "https://join-lemmy.org/context.json": _HERE / "lemmy.jsonld",
    "https://purl.archive.org/socialweb/webfinger": _HERE / "webfinger.jsonld",
}
FROM_PYLD: Final = frozenset(
    {
        ACTIVITYSTREAMS,
        "https://w3id.org/security/v1",
        "https://w3id.org/security/v2",
        "https://www.w3.org/ns/did/v1",
    }
)
KNOWN: Final = frozenset({*FROM_PYLD, *OWN})
"""The URLs that a document's `@context` may name."""
