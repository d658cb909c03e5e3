"""Where things are: the addresses and names of the cluster, and the folders of its state and its programs."""

import os
from pathlib import Path

HERE = Path(__file__).parent

CLUSTER = "revcart"
"""Name of the kind cluster and, natively, of the node, its network namespace and its control group."""
HOST_LINK = "revcart0"
"""The host's end of the pair of virtual cables to the node."""
HOST_ADDRESS, NODE_ADDRESS, PREFIX = "100.100.0.1", "100.100.0.2", 24
POD_RANGE, SERVICE_RANGE = "10.244.0.0/16", "10.96.0.0/16"
API_SERVICE_ADDRESS, DNS_ADDRESS = "10.96.0.1", "10.96.0.10"
DNS_DOMAIN = "cluster.local"
SERVER = f"https://{NODE_ADDRESS}:6443"
PAUSE_IMAGE = "localhost/revcart/pause:1"

OWNER = Path("/run/revcart-cluster")
"""Holds the state folder of the native cluster that has the machine's one place for it."""


def state() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home).absolute() / "revcart" / "cluster"


def cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home).absolute() / "revcart" / "cluster"


def kubeconfig() -> Path:
    return state() / "kubeconfig"
