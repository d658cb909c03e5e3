"""`cluster.Cluster` on Kubernetes: each method is one request, or a few for a long list."""

from revcart.kit import clock, telemetry
from revcart_operator.engine import cluster, errors, kinds
from revcart_operator.kube import connection
from revcart_operator.kube.connection import Object

_PAGE = 500  # objects per answer of a list
_EVENT = kinds.Kind("v1", "Event", "events")

logger = telemetry.get_logger(__name__)


class Client(cluster.Cluster):
    """`instance` signs Events: which operator process saw it."""

    def __init__(self, to: connection.Connection, *, clock: clock.Clock, instance: str) -> None:
        self._to = to
        self._clock = clock
        self._instance = instance

    async def platforms(self, namespace: str | None) -> list[Object]:
        return await self.list(kinds.PLATFORM, namespace)

    async def get(self, kind: kinds.Kind, namespace: str, name: str) -> Object | None:
        try:
            return await self._to.request("get", connection.path(kind, namespace, name))
        except errors.NotFound:
            return None

    async def list(self, kind: kinds.Kind, namespace: str | None, *, selector: str = "") -> list[Object]:
        items: list[Object] = []
        query = {"limit": str(_PAGE), **({"labelSelector": selector} if selector else {})}
        while True:
            page = await self._to.request("list", connection.path(kind, namespace), query=query)
            items += page.get("items") or []
            following = page["metadata"].get("continue")
            if not following:
                # The items of a typed list do not say what they are.
                return [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in items]
            query["continue"] = following

    async def create(self, manifest: Object) -> Object:
        kind, meta = kinds.of(manifest), manifest["metadata"]
        query = {"fieldManager": cluster.FIELD_MANAGER}
        return await self._to.request("create", connection.path(kind, meta["namespace"]), query=query, body=manifest)

    async def apply(self, manifest: Object, *, dry_run: bool = False) -> Object:
        kind, meta = kinds.of(manifest), manifest["metadata"]
        return await self._apply(
            connection.path(kind, meta["namespace"], meta["name"]),
            manifest,
            query={"dryRun": "All"} if dry_run else {},
        )

    async def overwrite(self, manifest: Object) -> Object:
        kind, meta = kinds.of(manifest), manifest["metadata"]
        return await self._to.request(
            "patch",
            connection.path(kind, meta["namespace"], meta["name"]),
            query={"fieldManager": cluster.FIELD_MANAGER},
            body=manifest,
            content_type="application/merge-patch+json",
        )

    async def delete(self, kind: kinds.Kind, namespace: str, name: str, *, uid: str | None = None) -> None:
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            **({"preconditions": {"uid": uid}} if uid else {}),
        }
        try:
            await self._to.request("delete", connection.path(kind, namespace, name), body=options)
        except errors.NotFound:
            return

    async def put_status(self, platform: Object, status: Object) -> None:
        # Applied, not merged: what was written before and is no longer said goes away. Onto the version that was read
        # only: the server ignores a uid here, and a status must not land on a successor of the same name.
        meta = platform["metadata"]
        body = {
            "apiVersion": platform["apiVersion"],
            "kind": platform["kind"],
            "metadata": {key: meta[key] for key in ("name", "namespace", "resourceVersion")},
            "status": status,
        }
        path = connection.path(kinds.PLATFORM, meta["namespace"], meta["name"], subresource="status")
        await self._apply(path, body, query={})

    async def event(self, platform: Object, *, type: str, reason: str, message: str) -> None:
        """As in the port; one that cannot be written is logged and forgotten, since the conditions say it as well."""
        meta, now = platform["metadata"], clock.to_text(self._clock.now())
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{meta['name']}.", "namespace": meta["namespace"]},
            "involvedObject": {
                "apiVersion": platform["apiVersion"],
                "kind": platform["kind"],
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"],
            },
            "type": type,
            "reason": reason,
            "message": message if len(message) <= 1024 else message[:1023] + "…",
            "source": {"component": cluster.FIELD_MANAGER},
            "reportingComponent": cluster.FIELD_MANAGER,
            "reportingInstance": self._instance,
            "firstTimestamp": now[:-5] + "Z",  # metav1.Time has whole seconds
            "lastTimestamp": now[:-5] + "Z",
            "count": 1,
        }
        try:
            await self._to.request("create", connection.path(_EVENT, meta["namespace"]), body=body)
        except errors.ClusterError as error:
            logger.warning("event.not-written", namespace=meta["namespace"], platform=meta["name"], error=repr(error))

    async def _apply(self, path: str, body: Object, *, query: dict[str, str]) -> Object:
        return await self._to.request(
            "patch",
            path,
            query={"fieldManager": cluster.FIELD_MANAGER, "force": "true", **query},
            body=body,
            content_type="application/apply-patch+yaml",  # JSON is YAML
        )
