"""How the objects of a platform are named, labelled and owned; every object is made here.

A part is a service, a store, or one of the few other things that a platform consists of: `gateway`, `mysql`,
`migrate-order`. What belongs to it is called `<platform>-<part>`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from revcart_operator.platform import spec

Manifest = dict[str, Any]

PLATFORM: Final = "platform.revcart.io/platform"  # label: the platform's name, by which its objects are found
COMPONENT: Final = "app.kubernetes.io/component"
CONFIG: Final = "platform.revcart.io/config"  # annotation of a pod: changes when its secrets do, which restarts it
_LONGEST = 63  # of a name that becomes a label's value
_AS_GIVEN = ("affinity", "annotations", "data", "labels", "nodeSelector")  # the user's own words, empty ones too


@dataclass(frozen=True, kw_only=True)
class Shop:
    """One platform object in a cluster."""

    name: str
    namespace: str
    uid: str

    def called(self, part: str) -> str:
        return f"{self.name}-{part}"

    def numbered(self, part: str, digest: str) -> str:
        """`<platform>-<part>-<digest>`; what is too long loses the end of the platform's name."""
        room = _LONGEST - len(part) - len(digest) - 2
        return f"{self.name[:room].rstrip('-')}-{part}-{digest}"

    def selector(self, part: str) -> dict[str, str]:
        """The labels that tell the pods of a part from all others."""
        return {"app.kubernetes.io/instance": self.name, COMPONENT: part, PLATFORM: self.name}

    def labels(self, part: str) -> dict[str, str]:
        return {
            "app.kubernetes.io/name": "revcart",
            "app.kubernetes.io/part-of": "revcart",
            "app.kubernetes.io/managed-by": "revcart-operator",
            **self.selector(part),
        }

    def manifest(
        self,
        api_version: str,
        kind: str,
        part: str,
        *,
        name: str = "",
        annotations: Mapping[str, str] | None = None,
        **body: Any,
    ) -> Manifest:
        """An object with its labels and its owner, without nulls and empty maps: the API server drops those."""
        metadata = {
            "name": name or self.called(part),
            "namespace": self.namespace,
            "labels": self.labels(part),
            "annotations": dict(annotations or {}),
            "ownerReferences": [self._owner()],
        }
        made: Manifest = tidy({"apiVersion": api_version, "kind": kind, "metadata": metadata, **body})
        return made

    def _owner(self) -> dict[str, Any]:
        return {
            "apiVersion": spec.API_VERSION,
            "kind": spec.KIND,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }


def tidy(value: Any) -> Any:
    """Without nulls, and without keys whose value is an empty map, list or text."""
    if isinstance(value, dict):
        kept = ((key, held if key in _AS_GIVEN else tidy(held)) for key, held in value.items())
        return {key: held for key, held in kept if held is not None and not _is_empty(held)}
    return [tidy(each) for each in value] if isinstance(value, list | tuple) else value


def _is_empty(value: Any) -> bool:
    return isinstance(value, dict | list | str) and not value


def digest(value: Any, *, length: int = 8) -> str:
    """The same for the same value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]
