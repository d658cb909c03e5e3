"""Fixture: makes a folder of this machine the PersistentVolume of each claim, as a storage provider would.

Run as `python volumes.py PKI-FOLDER VOLUMES-FOLDER`. One node, no quotas, no snapshots, no growing.
"""

import contextlib
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import api
import objects
import places

PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
CLAIMS, VOLUMES = "/api/v1/persistentvolumeclaims", "/api/v1/persistentvolumes"
_OUR_NAME = re.compile(r"pvc-[0-9a-f-]{36}")


def main(pki: Path, folder: Path) -> None:
    client = api.Api(pki)
    threading.Thread(target=_reclaim, args=(client, folder), daemon=True).start()
    for claims in client.follow(CLAIMS):
        for claim in filter(_waits_for_us, claims.values()):
            with _reported():
                _provide(client, claim=claim, folder=folder)


def _reclaim(client: api.Api, folder: Path) -> None:
    for volumes in client.follow(VOLUMES):
        for volume in filter(_is_let_go, volumes.values()):
            with _reported():
                _delete(client, volume=volume, folder=folder)


def _waits_for_us(claim: api.Object) -> bool:
    return (
        claim["spec"].get("storageClassName") == objects.STORAGE_CLASS
        and not claim["spec"].get("volumeName")
        and SELECTED_NODE in claim["metadata"].get("annotations", {})
        and "deletionTimestamp" not in claim["metadata"]
    )


def _is_let_go(volume: api.Object) -> bool:
    return (
        volume.get("status", {}).get("phase") == "Released"
        and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
        and volume["metadata"].get("annotations", {}).get(PROVISIONED_BY) == objects.PROVISIONER
        and "deletionTimestamp" not in volume["metadata"]
    )


def _provide(client: api.Api, *, claim: api.Object, folder: Path) -> None:
    name = f"pvc-{claim['metadata']['uid']}"
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    # The kubelet gives a hostPath to no fsGroup, so any user may write here.
    os.chmod(place, 0o777)  # noqa: S103
    claimed = {key: claim["metadata"][key] for key in ("name", "namespace", "uid")}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {PROVISIONED_BY: objects.PROVISIONER}},
        "spec": {
            "accessModes": claim["spec"]["accessModes"],
            "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claimed},
            "hostPath": {"path": str(place), "type": "Directory"},
            "nodeAffinity": {
                "required": {
                    "nodeSelectorTerms": [
                        {
                            "matchExpressions": [
                                {"key": "kubernetes.io/hostname", "operator": "In", "values": [places.CLUSTER]}
                            ]
                        }
                    ]
                }
            },
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": objects.STORAGE_CLASS,
        },
    }
    try:
        client.call("POST", VOLUMES, body=volume)
    except api.Refused as refusal:
        if refusal.status != 409:  # made already; the claim will soon say so
            raise
    else:
        _say(f"{name} is for {claimed['namespace']}/{claimed['name']}")


def _delete(client: api.Api, *, volume: api.Object, folder: Path) -> None:
    name, place = volume["metadata"]["name"], Path(volume["spec"]["hostPath"]["path"])
    if not _OUR_NAME.fullmatch(name) or place != folder / name:
        _say(f"{name} is at {place}, which is none of ours; left alone")
        return
    shutil.rmtree(place, ignore_errors=True)
    client.call("DELETE", f"{VOLUMES}/{name}")
    _say(f"{name} is deleted")


@contextlib.contextmanager
def _reported() -> Iterator[None]:
    """One that fails does not stop the others; the next change or the next watch brings it again."""
    try:
        yield
    except (OSError, KeyError, api.Refused) as error:
        _say(f"failed: {error}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
