"""Which images a tar holds, and whether the node has exactly those: loading 300 MB again takes seconds for nothing."""

import json
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

Ctr = Callable[..., tuple[int, str]]
"""Runs `ctr` on the node with these words; exit status and output."""


def is_loaded(archive: Path, ctr: Ctr) -> bool:
    """Whether every image of a tar of `docker save` is on the node with the same content. Of other tars: no."""
    held = images(archive)
    return bool(held) and all(_on_node(tag, ctr) == digest for tag, digest in held.items())


def images(archive: Path) -> dict[str, str]:
    """Tag → digest of its configuration, which names all layers."""
    try:
        with tarfile.open(archive, "r:") as tar:
            file = tar.extractfile("manifest.json")
            listed = json.load(file) if file else []
    except (KeyError, tarfile.TarError):
        return {}
    digests = {tag: re.search(r"[0-9a-f]{64}", image["Config"]) for image in listed for tag in image["RepoTags"] or ()}
    return {tag: f"sha256:{digest[0]}" for tag, digest in digests.items() if digest}


def _on_node(tag: str, ctr: Ctr) -> str:
    _, listed = ctr("images", "list", f"name=={tag}")
    found = re.search(r"sha256:[0-9a-f]{64}", listed)
    if not found:
        return ""
    status, manifest = ctr("content", "get", found[0])
    return "" if status else str(json.loads(manifest).get("config", {}).get("digest", ""))
