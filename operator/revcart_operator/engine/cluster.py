"""The port to a cluster: what the engine asks of an API server, in plain dicts. `kube` implements it."""

from typing import Any, Protocol

from revcart_operator.engine import kinds

FIELD_MANAGER = "revcart-operator"

Object = dict[str, Any]
Objects = list[Object]


class Cluster(Protocol):
    """Every call has a timeout. Raises errors.Conflict, NotFound, Refused and Unreachable as each call says."""

    async def get(self, kind: kinds.Kind, namespace: str, name: str) -> Object | None:
        """The object, or None when it is not there."""
        ...

    async def list(self, kind: kinds.Kind, namespace: str, *, selector: str) -> Objects:
        """By a label selector, each with `apiVersion` and `kind`. Raises NotFound when the API lacks the kind."""
        ...

    async def create(self, manifest: Object) -> Object:
        """POST. Raises Conflict when an object of that name is there."""
        ...

    async def apply(self, manifest: Object, *, dry_run: bool = False) -> Object:
        """Server-side apply with force; what the server made of it. With `metadata.resourceVersion` in the manifest:
        only onto that version, else Conflict."""
        ...

    async def overwrite(self, manifest: Object) -> Object:
        """Set each field that `manifest` has to just that value: lists lose what others put into them."""
        ...

    async def delete(self, kind: kinds.Kind, namespace: str, name: str, *, uid: str | None = None) -> None:
        """In the background; absent is fine. With `uid`: only that very object, else Conflict."""
        ...

    async def put_status(self, platform: Object, status: Object) -> None:
        """Make `status` the whole status of the platform as it was read. Raises NotFound when it is gone, Conflict when
        it changed."""
        ...

    async def platforms(self, namespace: str | None) -> Objects:
        """All platforms of one namespace, or of all."""
        ...

    async def event(self, platform: Object, *, type: str, reason: str, message: str) -> None:
        """An Event about the platform; `type`: Normal or Warning."""
        ...
