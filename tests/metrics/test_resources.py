from __future__ import annotations

import mmap
import os
import threading
import time

import psutil
import pytest

from trax_otel.metrics import resources
from trax_otel.metrics.cgroup import ContainerFigures
from trax_otel.metrics.resources import Sampler, available_cpus
from trax_otel.metrics.usage import Usage, resident_memory


def test_the_process_is_this_one():
    with open(os.devnull) as first, open(os.devnull) as second:
        process = Sampler().sample().process
        assert process.open_files >= len({first.fileno(), second.fileno()})
    assert process.memory == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)
    assert process.memory_virtual >= process.memory
    assert process.threads >= threading.active_count()
    assert 0 < process.uptime_s < 86_400
    assert 0 <= process.cpu_utilization <= 1


def test_the_system_is_this_one():
    system = Sampler().sample().system
    assert system.memory_total == psutil.virtual_memory().total
    assert 0 < system.memory_utilization < 1
    assert system.cpus == os.cpu_count()
    assert os.path.ismount(system.disk_path)
    assert 0 <= system.disk_utilization <= 1
    assert 0 <= system.cpu_utilization <= 1


def test_a_sample_serves_for_a_second(still):
    sampler = Sampler()
    first = sampler.sample()
    still.advance(0.9)
    assert sampler.sample() is first
    still.advance(0.2)
    assert sampler.sample() is not first


def test_work_shows_as_utilization(still):
    sampler = Sampler()
    sampler.sample()
    end = time.process_time() + 0.2
    while time.process_time() < end:
        sum(range(1_000))
    still.advance(5)
    assert sampler.sample().process.cpu_utilization > 0.035  # 0.2 s of 5


def test_a_part_that_cannot_be_read_leaves_the_others(monkeypatch, still, capfd):
    def refuse() -> None:
        raise OSError("no /proc")

    monkeypatch.setattr(psutil, "virtual_memory", refuse)
    sampler = Sampler()
    for _ in range(3):
        sample = sampler.sample()
        still.advance(5)
    assert sample.system is None
    assert sample.process is not None
    assert capfd.readouterr().err.count("system figures cannot be read: OSError: no /proc") == 1


def test_a_forked_child_samples_itself(forked):
    parent = resources.sample()

    def seen() -> tuple[bool, bool]:
        sample = resources.sample()
        # What an earlier test left may begin a thread of its own in the child.
        return sample is parent, sample.process.threads == psutil.Process().num_threads()

    assert forked(seen) == "(False, True)"


def test_a_containers_quota_bounds_the_cpus():
    assert available_cpus(ContainerFigures(2, cpu_limit=0.5)) == 0.5
    assert available_cpus(ContainerFigures(2, cpu_limit=10_000)) == available_cpus(None)


def test_a_removed_working_directory_is_no_failure(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert Sampler().sample().system.disk_path == "/"


def test_resident_memory_is_what_psutil_says():
    assert resident_memory() == pytest.approx(psutil.Process().memory_info().rss, rel=0.1)


def test_use_is_so_far_until_it_stops():
    usage = Usage()
    ballast = mmap.mmap(-1, 24 * 1024 * 1024)  # pages of its own, whatever the heap has left over
    ballast.write(b"x" * len(ballast))
    assert usage.memory_delta > 20 * 1024 * 1024
    usage.stop()
    frozen = (usage.cpu_s, usage.memory, usage.memory_delta)
    ballast.close()
    sum(range(100_000))
    assert (usage.cpu_s, usage.memory, usage.memory_delta) == frozen
