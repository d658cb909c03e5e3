"""The real cluster with the operator and the sample shop, made by the scripts that a person would use."""

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster import clusters, operator_logs

_CANNOT_BE_HAD = 4
_timings = clusters.Timings()


@pytest.fixture(scope="session")
def timings() -> clusters.Timings:
    """`timings.add("what", seconds, target=…)`, `timings.tell("what", "figure")`: told at the end of the run."""
    return _timings


@pytest.fixture(scope="session")
def alone() -> Iterator[None]:
    """A machine has one cluster: another run of these tests is waited for."""
    with (Path(tempfile.gettempdir()) / "revcart-test-cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def cluster(alone: None, request: pytest.FixtureRequest, timings: clusters.Timings) -> clusters.Cluster:
    """The cluster, images, the operator and the sample shop are there and up to date. Made once, left running."""
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(flush=True)
        done = subprocess.run([clusters.ROOT / "scripts" / "deploy"], stdout=sys.stderr)
    if done.returncode == _CANNOT_BE_HAD and not (sys.platform == "linux" and os.geteuid() == 0):
        pytest.skip("this machine can have neither a native cluster (Linux, root) nor kind (Docker): docs/cluster.md")
    assert done.returncode == 0, "scripts/deploy failed, see above"
    return clusters.running(timings)


@pytest.fixture(scope="session", autouse=True)
def operator_log(cluster: clusters.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[operator_logs.Logs]:
    """What the operator logs from the first test on, for test_operator_log, which is the last one."""
    with operator_logs.following(cluster, tmp_path_factory.mktemp("operator")) as logs:
        yield logs


@pytest.fixture(scope="session")
def sample(cluster: clusters.Cluster) -> Iterator[clusters.Platform]:
    """The sample shop, without rate limits while the tests last: to the Ingress all their people are one machine."""
    document = yaml.safe_load(clusters.SAMPLE.read_text())
    platform = clusters.Platform(cluster=cluster, document=document)
    platform.patch(services=clusters.UNLIMITED)
    yield platform
    platform.patch(services={"gateway": {"env": None}})


@pytest.fixture
def platform(sample: clusters.Platform) -> clusters.Platform:
    """The running sample shop, Ready when the test begins."""
    sample.wait_ready()
    return sample


@pytest.fixture(scope="session")
def new_shop(cluster: clusters.Cluster) -> Iterator[clusters.Platform]:
    """One of its own for tests of what a new shop does; in the end they delete it. The files' names give the order."""
    platform = cluster.platform(cluster.namespace("new"))
    platform.apply()
    platform.wait_ready(seconds=300)
    yield platform
    cluster.forget(platform.namespace)


@pytest.fixture
def namespace(cluster: clusters.Cluster) -> Iterator[str]:
    """A new one for restricted pods, deleted after the test."""
    name = cluster.namespace()
    yield name
    cluster.forget(name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name == "test_operator_log.py")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _timings.lines:
        terminalreporter.section("on the real cluster")
        for line in _timings.lines:
            terminalreporter.line(line)
