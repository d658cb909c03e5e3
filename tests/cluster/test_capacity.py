"""What a shop takes: the time until it is Ready, and memory."""

import contextlib
import datetime as dt
import glob
import re
from pathlib import Path

import pytest

from tests.cluster import clusters

pytestmark = pytest.mark.cluster

READY_SECONDS, MEMORY_BYTES = 120, 8 << 30


def test_a_new_shop_is_ready_in_two_minutes_and_serves(new_shop: clusters.Platform, timings: clusters.Timings) -> None:
    """Images are warm, and another shop runs beside it."""
    assert new_shop.serves()
    found = new_shop.get("revcartplatform", new_shop.name)
    assert found is not None
    made = dt.datetime.fromisoformat(found["metadata"]["creationTimestamp"])
    ready = dt.datetime.fromisoformat(new_shop.conditions()["Ready"]["lastTransitionTime"])
    timings.add("CR → Ready, images warm, beside another shop", (ready - made).total_seconds(), target=READY_SECONDS)
    assert (ready - made).total_seconds() < READY_SECONDS


def test_the_platform_and_its_control_plane_fit_in_8_gib(
    new_shop: clusters.Platform, timings: clusters.Timings
) -> None:
    """Two shops of the profile Development do."""
    of_pods, of_node = memory("kubepods"), memory()
    if not of_node:
        pytest.skip("no native node, whose processes could be seen")
    shops = len(new_shop.cluster.kubectl("get", "revcartplatforms", "--all-namespaces", "--output=name").split())
    timings.tell(f"memory of the pods of the operator and {shops} shops", gib(of_pods))
    timings.tell("memory of the control plane and the node", gib(of_node - of_pods))
    assert of_node < MEMORY_BYTES


def memory(group: str = "") -> int:
    """Bytes of the processes of the native node, or of a group of them; pages that several share count once (PSS)."""
    groups = ("/sys/fs/cgroup/revcart", *glob.glob("/sys/fs/cgroup/*/revcart"))
    files = (file for each in groups for file in (Path(each) / group).rglob("cgroup.procs"))
    total = 0
    for pid in {pid for file in files for pid in file.read_text().split()}:
        with contextlib.suppress(OSError):  # it has ended
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += sum(int(size) << 10 for size in re.findall(r"^Pss: +(\d+) kB", rollup, re.MULTILINE))
    return total


def gib(size: int) -> str:
    return f"{size / (1 << 30):.2f} GiB"
