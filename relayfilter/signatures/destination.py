"""Was the request meant for us?

A signature covers the Host header and the target, so a delivery that somebody else received verifies here too unless
the host is compared with our own names.
"""

from __future__ import annotations

from relayfilter.request import InboxRequest
from relayfilter.signatures.result import BadSignature


def check_destination(request: InboxRequest, domains: frozenset[str]) -> BadSignature | None:
    """Is the request for a path at one of our domains (lower case, with a port only if it is not 443)?

    Reasons: `target-not-a-path` (RFC 9112 section 3.2.1: an absolute or crooked target could name another host in the
    URL that RFC 9421 signs), `host-not-ours`.
    """
    if not request.target.startswith(b"/") or b"#" in request.target:
        return BadSignature("target-not-a-path", repr(request.target[:200]))
    hosts = request.values(b"host")
    if len(hosts) == 1 and host_of(hosts[0]) in domains:
        return None
    return BadSignature("host-not-ours", repr(hosts)[:200])


def host_of(value: bytes) -> str:
    """The value of a Host header, lower-cased and without the default port."""
    return value.decode("latin-1").lower().removesuffix(":443")
