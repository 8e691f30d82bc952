from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from relayfilter.inspection.settings import ClassifySettings
from tests.inspection.processes import Classify, running, wait_for_end


@pytest.fixture(scope="session")
def classify(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classify]:
    """The real classify process, with two workers."""
    with running(tmp_path_factory.mktemp("classify"), ClassifySettings(workers=2)) as started:
        yield started


ODD = ClassifySettings(workers=1, recycle_after=3)


@pytest.fixture
def odd_alone(tmp_path: Path) -> Iterator[Classify]:
    """The real loop with the check that misbehaves by colour, one worker and what slack the loop gives."""
    with running(tmp_path, ODD, module="tests.inspection.odd_zygote") as started:
        yield started


@pytest.fixture(scope="session")
def odd_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classify]:
    with running(tmp_path_factory.mktemp("odd"), ODD, module="tests.inspection.odd_zygote") as started:
        yield started


@pytest.fixture
def odd(odd_shared: Classify) -> Iterator[Classify]:
    """As `odd_alone`, but the process serves many tests. It has no worker when a test begins."""
    yield odd_shared
    for worker in odd_shared.workers():
        wait_for_end(worker)
