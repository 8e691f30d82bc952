from __future__ import annotations

from relayfilter.signatures.outcome import Invalid, Skipped, Valid


def test_in_words() -> None:
    outcomes = (Valid(), Invalid("signature-mismatch"), Skipped("too-deep"))
    assert list(map(str, outcomes)) == ["valid", "invalid: signature-mismatch", "skipped: too-deep"]
