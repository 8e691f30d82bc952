from __future__ import annotations

import pytest

from relayfilter.signatures.destination import check_destination
from tests.support.signing import Signed

DOMAINS = frozenset({"lemmy.test", "second.test:8443"})


@pytest.mark.parametrize(
    ("hosts", "target", "reason"),
    [
        ([b"lemmy.test"], "/inbox", None),
        ([b"LEMMY.test"], "/inbox", None),
        ([b"lemmy.test:443"], "//inbox?x", None),
        ([b"second.test:8443"], "/inbox", None),
        ([b"lemmy.test:8443"], "/inbox", "host-not-ours"),
        ([b"second.test"], "/inbox", "host-not-ours"),
        ([b"evil.test"], "/inbox", "host-not-ours"),
        ([b"lemmy.test", b"lemmy.test"], "/inbox", "host-not-ours"),
        ([b"\xff"], "/inbox", "host-not-ours"),
        ([b""], "/inbox", "host-not-ours"),
        ([], "/inbox", "host-not-ours"),
        ([b"lemmy.test"], "@evil.test/inbox", "target-not-a-path"),
        ([b"lemmy.test"], "https://evil.test/inbox", "target-not-a-path"),
        ([b"lemmy.test"], "/inbox#fragment", "target-not-a-path"),
        ([b"lemmy.test"], "*", "target-not-a-path"),
        ([b"lemmy.test"], "", "target-not-a-path"),
    ],
)
def test_destination(hosts: list[bytes], target: str, reason: str | None) -> None:
    request = Signed([(b"Host", host) for host in hosts], b"").as_request(target)
    bad = check_destination(request, DOMAINS)
    assert (bad and bad.reason) == reason
