"""Trees as kernels and container runtimes really lay them out."""

from __future__ import annotations

from pathlib import Path

import pytest

from trax_otel.metrics.cgroup import ContainerFigures, read_container

NO_LIMIT_V1 = "9223372036854771712"
MB = 1024 * 1024


@pytest.fixture
def tree(tmp_path: Path):
    def make(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


def v2(own: dict[str, str], group: str = "", membership: str = "0::/\n") -> dict[str, str]:
    return {
        "proc/self/cgroup": membership,
        "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
        **{f"sys/fs/cgroup{group}/{name}": text for name, text in own.items()},
    }


def test_a_docker_container_on_version_2(tree):
    """A private cgroup namespace: the container's group is the mount's root."""
    root = tree(v2({
        "memory.max": f"{512 * MB}\n",
        "memory.current": f"{200 * MB}\n",
        "memory.stat": f"anon {100 * MB}\nfile {90 * MB}\ninactive_file {50 * MB}\n",
        "cpu.max": "150000 100000\n",
        "pids.max": "100\n",
        "pids.current": "7\n",
    }))  # fmt: skip
    figures = read_container(root)
    assert figures == ContainerFigures(2, 150 * MB, 512 * MB, 1.5, 7, 100)
    assert figures.memory_utilization == 150 / 512


def test_without_limits_only_the_use_is_told(tree):
    root = tree(v2({"memory.max": "max\n", "memory.current": "1000\n", "cpu.max": "max 100000\n", "pids.max": "max\n"}))
    figures = read_container(root)
    assert figures == ContainerFigures(2, memory_usage=1000)
    assert figures.memory_utilization is None


def test_the_tightest_limit_of_all_groups_above_holds(tree):
    """A systemd service: the slice limits more than the unit."""
    group = "/system.slice/app.service"
    files = v2({"memory.max": f"{900 * MB}", "memory.current": "1", "cpu.max": "max 100000"}, group, f"0::{group}\n")
    files["sys/fs/cgroup/system.slice/memory.max"] = f"{300 * MB}"
    files["sys/fs/cgroup/system.slice/cpu.max"] = "50000 100000"
    figures = read_container(tree(files))
    assert (figures.memory_limit, figures.cpu_limit) == (300 * MB, 0.5)


def test_a_hosts_path_inside_the_container_means_the_mounts_root(tree):
    """/proc/self/cgroup shows the host's path, which is not mounted in the container."""
    root = tree(v2({"memory.max": "4096", "memory.current": "1"}, membership="0::/kubepods/pod1/abc\n"))
    assert read_container(root).memory_limit == 4096


def v1(files: dict[str, str], membership: str) -> dict[str, str]:
    return {"proc/self/cgroup": membership, **{f"sys/fs/cgroup/{name}": text for name, text in files.items()}}


def test_a_docker_container_on_version_1(tree):
    path = "/docker/0123abc"
    root = tree(v1({
        f"memory{path}/memory.limit_in_bytes": f"{256 * MB}\n",
        f"memory{path}/memory.usage_in_bytes": f"{100 * MB}\n",
        f"memory{path}/memory.stat": f"cache {60 * MB}\ntotal_inactive_file {40 * MB}\n",
        "memory/memory.limit_in_bytes": NO_LIMIT_V1,
        f"cpu,cpuacct{path}/cpu.cfs_quota_us": "200000\n",
        f"cpu,cpuacct{path}/cpu.cfs_period_us": "100000\n",
        f"pids{path}/pids.max": "max\n",
        f"pids{path}/pids.current": "3\n",
    }, f"12:pids:{path}\n5:cpu,cpuacct:{path}\n4:memory:{path}\n1:name=systemd:{path}\n"))  # fmt: skip
    assert read_container(root) == ContainerFigures(1, 60 * MB, 256 * MB, 2.0, 3, None)


def test_version_1_seen_from_inside_the_container(tree):
    root = tree(v1(
        {"memory/memory.limit_in_bytes": "1048576", "memory/memory.usage_in_bytes": "1024",
         "cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
        "3:cpu:/docker/abc\n2:memory:/docker/abc\n",
    ))  # fmt: skip
    assert read_container(root) == ContainerFigures(1, memory_usage=1024, memory_limit=1048576)


def test_no_limit_of_version_1_is_none(tree):
    root = tree(v1({"memory/memory.limit_in_bytes": NO_LIMIT_V1}, "2:memory:/\n"))
    assert read_container(root) is None


def test_a_hybrid_host_is_read_as_version_1(tree):
    """systemd's unified tree is there, and has no controllers at its usual place."""
    root = tree(v1(
        {"memory/memory.limit_in_bytes": "4096", "unified/cgroup.controllers": ""}, "2:memory:/\n0::/\n",
    ))  # fmt: skip
    assert read_container(root) == ContainerFigures(1, memory_limit=4096)


@pytest.mark.parametrize("text", ["", "garbage", "-5", "12 34 56", "\0", "ä", "1e9"])
def test_what_cannot_be_read_is_no_limit(tree, text):
    root = tree(v2({"memory.max": text, "cpu.max": text, "pids.max": text, "memory.current": "1"}))
    assert read_container(root) == ContainerFigures(2, memory_usage=1)


def test_a_period_of_zero_is_no_limit(tree):
    assert read_container(tree(v2({"cpu.max": "100 0", "pids.current": "1"}))).cpu_limit is None


def test_no_cgroups_at_all(tmp_path):
    assert read_container(tmp_path) is None


def test_a_path_cannot_lead_out_of_the_tree(tree, tmp_path):
    root = tree(v2({"memory.max": "7", "memory.current": "1"}, membership="0::/../../../secret\n"))
    assert read_container(root).memory_limit == 7


def test_this_machines_own():
    figures = read_container()
    assert figures is None or figures.version in {1, 2}
    if figures is not None and figures.memory_usage is not None:
        assert figures.memory_usage > 0
