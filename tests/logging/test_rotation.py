"""Several processes, one file: no line lost, none torn, and the right number of backups."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import median

import pytest

from trax_otel import clock
from trax_otel.logging import RotatingFile

WRITER = """
import sys, time
from trax_otel.logging import RotatingFile
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
file = RotatingFile(path, max_bytes=int(sys.argv[4]), backup_count=1000, rotate_every=float(sys.argv[5]) or None)
sys.stdin.readline()
padding = b"." * 60
for number in range(count):
    file.write(b"<%s %d %s>\\n" % (name.encode(), number, padding), time.time())
"""


class SetClock(clock.SystemClock):
    """The real clock, but for the wall time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def time_ns(self) -> int:  # type: ignore[override]
        return int(self.seconds * 1e9)


def run_writers(path: Path, *, processes: int, lines: int, max_bytes: int, every: float = 0) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), f"p{n}", str(lines), str(max_bytes), str(every)],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for n in range(processes)
    ]  # fmt: skip
    for process in running:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0
        assert errors == b""


def everything(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith(".lock"))


def backups(path: Path) -> list[Path]:
    return [file for file in path.parent.iterdir() if re.match(r"\.\d", file.name.removeprefix(path.name))]


@pytest.mark.servers
def test_four_processes_lose_no_line_and_tear_none_over_twenty_rotations(tmp_path: Path) -> None:
    path = tmp_path / "trax.log"
    run_writers(path, processes=4, lines=50_000, max_bytes=600_000)
    text = everything(path)
    found = Counter(re.findall(rb"<(p\d \d+) \.{60}>\n", text))
    assert len(found) == 200_000
    assert set(found.values()) == {1}
    assert len(text) == sum(len(f"<{name.decode()} {'.' * 60}>\n") for name in found)
    assert len(backups(path)) >= 20
    sizes = [file.stat().st_size for file in backups(path)]
    assert median(sizes) < 600_000 * 1.25  # one may be larger: nobody waits for a rotating process that lost its turn


@pytest.mark.servers
def test_several_processes_rotate_once_a_period(tmp_path: Path) -> None:
    path = tmp_path / "trax.log"
    began = time.time()
    run_writers(path, processes=3, lines=60_000, max_bytes=0, every=0.05)
    periods = int((time.time() - began) / 0.05) + 2
    assert 1 <= len(backups(path)) <= periods
    assert len(re.findall(rb"<p\d \d+ \.{60}>\n", everything(path))) == 180_000


def test_a_file_is_rotated_before_the_line_that_would_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "trax.log"
    file = RotatingFile(path, max_bytes=10, backup_count=3)
    for number in range(6):
        file.write(b"line %d\n" % number, time.time())
    assert path.read_bytes() == b"line 5\n"
    assert sorted((backup.name, backup.read_bytes()) for backup in backups(path)) == [
        ("trax.log.1", b"line 4\n"), ("trax.log.2", b"line 3\n"), ("trax.log.3", b"line 2\n")
    ]  # fmt: skip
    file.close()


def test_without_backups_nothing_is_rotated(tmp_path: Path) -> None:
    path = tmp_path / "trax.log"
    file = RotatingFile(path, max_bytes=10, backup_count=0, rotate_every=1)
    for _ in range(9):
        file.write(b"line\n", time.time())
    assert path.stat().st_size == 45
    assert backups(path) == []
    file.close()


def test_a_lower_backup_count_removes_the_surplus_and_gaps_are_filled_first(tmp_path: Path) -> None:
    path = tmp_path / "trax.log"
    for number in (1, 3, 4, 5):
        path.with_name(f"trax.log.{number}").write_text(f"old {number}")
    file = RotatingFile(path, max_bytes=10, backup_count=3)
    file.write(b"first...\n", time.time())
    file.write(b"second..\n", time.time())
    names = {backup.name: backup.read_text() for backup in backups(path)}
    assert names == {"trax.log.1": "first...\n", "trax.log.2": "old 1", "trax.log.3": "old 3"}
    file.close()


def test_a_file_is_rotated_when_its_period_ends_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "trax.log"
    fake = SetClock(86_400 * 100 + 5)
    with clock.use(fake):
        file = RotatingFile(path, backup_count=3, rotate_every=86_400)
        file.write(b"day 100\n", fake.seconds)
        fake.seconds += 86_390
        file.write(b"day 100 too\n", fake.seconds)
        assert backups(path) == []
        fake.seconds += 10
        file.write(b"day 101\n", fake.seconds)
        assert path.read_bytes() == b"day 101\n"
        file.close()
        fake.seconds += 86_400
        file = RotatingFile(path, backup_count=3, rotate_every=86_400)
        file.write(b"day 102\n", fake.seconds)
        file.close()
    assert path.read_bytes() == b"day 102\n"
    assert path.with_name("trax.log.1970-04-12").read_bytes() == b"day 101\n"
    assert path.with_name("trax.log.1970-04-11").read_bytes() == b"day 100\nday 100 too\n"


def test_backups_are_counted_by_their_cause(tmp_path: Path) -> None:
    path = tmp_path / "trax.log"
    (tmp_path / "trax.log.2026-notes").write_text("not ours")
    fake = SetClock(86_400 * 100)
    with clock.use(fake):
        file = RotatingFile(path, max_bytes=20, backup_count=2, rotate_every=86_400)
        for day in range(100, 105):
            for number in range(5):
                file.write(b"day %d line %d\n" % (day, number), fake.seconds)
            fake.seconds += 86_400
        file.close()
    assert {backup.name: backup.read_bytes() for backup in backups(path)} == {
        "trax.log.1970-04-13": b"day 102 line 4\n", "trax.log.1970-04-14": b"day 103 line 4\n",
        "trax.log.1": b"day 104 line 3\n", "trax.log.2": b"day 104 line 2\n", "trax.log.2026-notes": b"not ours",
    }  # fmt: skip


@pytest.mark.parametrize(("every", "name"), [(3_600, "1970-04-11T01-00-00Z"), (2 * 86_400, "1970-04-11")])
def test_a_period_is_named_by_its_beginning_and_no_file_is_overwritten(tmp_path: Path, every: int, name: str) -> None:
    path = tmp_path / "trax.log"
    fake = SetClock(86_400 * 100 + 3_600)
    with clock.use(fake):
        for text in (b"first\n", b"second\n"):  # the clock goes back in between
            file = RotatingFile(path, backup_count=9, rotate_every=every)
            file.write(text, fake.seconds)
            fake.seconds += 2 * 86_400
            file.write(b"later\n", fake.seconds)
            file.close()
            path.unlink()
            fake.seconds -= 2 * 86_400
    assert {backup.name.removeprefix("trax.log."): backup.read_bytes() for backup in backups(path)} == {
        name: b"first\n", f"{name}.1": b"second\n",
    }  # fmt: skip


def test_files_are_private_and_a_link_is_not_followed(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        file = RotatingFile(tmp_path / "logs" / "trax.log", max_bytes=100, backup_count=1, rotate_every=60)
        file.write(b"x\n", time.time())
    finally:
        os.umask(before)
    assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700
    assert [entry.stat().st_mode & 0o777 for entry in (tmp_path / "logs").iterdir()] == [0o600, 0o600]
    file.close()
    victim = tmp_path / "victim"
    (tmp_path / "link.log").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        RotatingFile(tmp_path / "link.log").write(b"x\n", time.time())
    assert not victim.exists()


def test_a_pipe_is_refused_and_nothing_hangs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "trax.log")
    with pytest.raises(OSError, match="not a regular file"):
        RotatingFile(tmp_path / "trax.log").write(b"x\n", time.time())


def test_a_removed_folder_costs_no_line_and_one_line_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "logs" / "trax.log"
    file = RotatingFile(path, max_bytes=1000, backup_count=2)
    file.write(b"one\n", time.time())
    path.unlink()
    shutil.rmtree(path.parent)
    file.write(b"two\n", time.time() + 0.001)
    file.write(b"three\n", time.time())
    file.close()
    assert path.read_bytes() == b"two\nthree\n"
    assert capsys.readouterr().err == f"trax-otel: log file {path} was removed; a new one is begun\n"


def test_a_renamed_file_is_left_to_whoever_renamed_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trax.log"
    fake = SetClock(1_000.0)
    with clock.use(fake):
        file = RotatingFile(path)
        file.write(b"one\n", fake.seconds)
        path.rename(tmp_path / "moved")
        file.write(b"two\n", fake.seconds)
        fake.seconds += 0.3
        file.write(b"three\n", fake.seconds)
        file.close()
    assert (tmp_path / "moved").read_bytes() == b"one\ntwo\n"
    assert path.read_bytes() == b"three\n"
    assert capsys.readouterr().err == ""


def test_a_full_limit_takes_no_part_of_a_line() -> None:
    """RLIMIT_FSIZE stands for the full disk: the kernel takes what fits and refuses the rest."""
    script = """
import resource, tempfile, os, time
from trax_otel.logging import RotatingFile
path = os.path.join(tempfile.mkdtemp(), "trax.log")
file = RotatingFile(path)
file.write(b"a" * 50 + b"\\n", time.time())
resource.setrlimit(resource.RLIMIT_FSIZE, (80, resource.RLIM_INFINITY))
try:
    file.write(b"b" * 50 + b"\\n", time.time())
except OSError as error:
    print(error.strerror)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
file.write(b"c\\n", time.time())
print(open(path).read() == "a" * 50 + "\\nc\\n")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "File too large\nTrue\n"


def test_a_folder_in_which_nothing_can_be_renamed_lets_the_file_grow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trax.log"
    (tmp_path / "trax.log.1").mkdir()
    (tmp_path / "trax.log.1" / "kept").touch()
    file = RotatingFile(path, max_bytes=10, backup_count=1)
    for number in range(4):
        file.write(b"line %d\n" % number, time.time())
    file.close()
    assert path.read_bytes() == b"line 0\nline 1\nline 2\nline 3\n"
    assert capsys.readouterr().err.count("cannot be rotated") == 1


@pytest.mark.servers
def test_a_forked_child_and_its_parent_rotate_apart(tmp_path: Path) -> None:
    path = tmp_path / "trax.log"
    script = f"""
import os, time
from trax_otel.logging import RotatingFile
file = RotatingFile({str(path)!r}, max_bytes=2000, backup_count=1000)
file.write(b"<parent first>\\n", time.time())
child = os.fork()
name = b"parent" if child else b"child"
for number in range(2000):
    file.write(b"<%s %d>\\n" % (name, number), time.time())
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    lines = Counter(re.findall(rb"<(\w+ \w+)>\n", everything(path)))
    assert len(lines) == 4001
    assert set(lines.values()) == {1}
