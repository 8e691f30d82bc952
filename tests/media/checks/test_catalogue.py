from __future__ import annotations

from relayfilter.media.checks import catalogue
from tests.support import patterns


def test_every_check_gives_the_labels_that_it_names() -> None:
    checks = catalogue.load()
    assert len({check.name for check in checks}) == len(checks) > 0
    for check in checks:
        findings = check.run((patterns.clouds(300, 200, seed=1),))
        assert tuple(finding.label for finding in findings) == check.labels
        assert all(finding.classifier == check.name and 0 <= finding.score <= 1 for finding in findings)
        assert check.model
