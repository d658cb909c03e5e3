"""Requests to an API server in plain dicts, over the transport and the sign-in of `kubernetes.aio`.

Its typed classes are left alone: they would validate in Python what the server validates anyway, and know no custom
resource. Nothing is retried here; whoever asks knows when asking again makes sense.
"""

import contextlib
import json
import os
import urllib.parse
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import configuration, rest

from revcart_operator.engine import errors, kinds, metrics

Object = dict[str, Any]

CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 30.0  # longer than the 10 s that an admission webhook gets by default
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class NoCluster(Exception):
    """There is no sign-in to any API server; the message says what to write."""


class Gone(errors.Unreachable):
    """410: that resourceVersion or continuation is too old; list again."""


class _Configuration(Protocol):
    host: str
    connection_pool_maxsize: int

    async def get_api_key_with_prefix(self, identifier: str) -> str | None: ...


async def sign_in() -> _Configuration:
    """The pod's service account, or else the current context of $KUBECONFIG or ~/.kube/config. Raises NoCluster."""
    found = cast(Any, configuration.Configuration)()
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and (_SERVICE_ACCOUNT / "token").exists():
            cast(Any, config).load_incluster_config(client_configuration=found)
        else:
            file = os.environ.get("KUBECONFIG", "~/.kube/config")
            await cast(Any, config).load_kube_config(config_file=file, client_configuration=found, persist_config=False)
    except config.ConfigException as error:
        raise NoCluster(
            f"no API server to talk to ({error}): set KUBECONFIG to a file with a current context, or run in a pod"
        ) from error
    return cast(_Configuration, found)


def own_namespace() -> str:
    """Where this process runs: the pod's namespace, or `default` outside of a cluster."""
    file = _SERVICE_ACCOUNT / "namespace"
    return os.environ.get("POD_NAMESPACE") or (file.read_text().strip() if file.exists() else "default")


def path(kind: kinds.Kind, namespace: str | None, name: str = "", *, subresource: str = "") -> str:
    """Where the API has a kind, an object or one of its subresources; namespace None: all namespaces."""
    root = "/api/" if "/" not in kind.api_version else "/apis/"
    parts = [
        *(("namespaces", namespace) if namespace else ()),
        kind.plural,
        *((name,) if name else ()),
        *((subresource,) if subresource else ()),
    ]
    return root + kind.api_version + "".join("/" + urllib.parse.quote(part, safe="") for part in parts)


class Connection:
    """One per process; any number of requests and watches at a time. `seconds`: how long a request may take."""

    def __init__(
        self, signed_in: _Configuration, *, metrics: metrics.Metrics, seconds: float = REQUEST_SECONDS
    ) -> None:
        signed_in.connection_pool_maxsize = (
            0  # each watch holds a connection for minutes; a bound would starve requests
        )
        self._configuration = signed_in
        self._rest = cast(Any, rest.RESTClientObject)(signed_in)
        self._metrics = metrics
        self._timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)

    async def close(self) -> None:
        """Give the sockets back."""
        await self._rest.close()

    async def request(
        self,
        verb: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Object:
        """One request. `verb`: get, list, create, update, patch or delete, as RBAC says. Raises errors.ClusterError."""
        headers = {"Content-Type": content_type, "Accept": accept}
        async with self._answer(
            verb, path, query=query or {}, body=body, headers=headers, timeout=self._timeout
        ) as response:
            return cast(Object, json.loads(await response.read()))

    async def watch(
        self, path: str, *, query: Mapping[str, str], accept: str, seconds: float, silence: float
    ) -> AsyncGenerator[Object, None]:
        """The events of one watch until the server ends it, or `seconds` are over. Raises Unreachable when nothing came
        for `silence` seconds, Gone when the resourceVersion is too old."""
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS, sock_read=silence)
        async with self._answer(
            "watch", path, query={**query, "watch": "true"}, headers={"Accept": accept}, timeout=timeout
        ) as response:
            async for line in response.content:
                event: Object = json.loads(line)
                if event["type"] == "ERROR":
                    raise _refusal(int(event["object"].get("code", 500)), {}, event["object"], f"watch {path}")
                yield event

    @contextlib.asynccontextmanager
    async def _answer(
        self,
        verb: str,
        path: str,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,
        body: Object | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        what, code = f"{verb} {path}", "none"
        url = self._configuration.host + path + ("?" + urllib.parse.urlencode(query) if query else "")
        token = await self._configuration.get_api_key_with_prefix("BearerToken")
        signed = {**headers, "User-Agent": "revcart-operator", **({"Authorization": token} if token else {})}
        try:
            answer = await self._rest.request(_METHODS[verb], url, headers=signed, body=body, _request_timeout=timeout)
            async with answer.response as response:
                code = str(response.status)
                if response.status >= 400:
                    raise _refusal(response.status, response.headers, _status(await response.read()), what)
                yield response
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:  # ValueError: no JSON
            raise errors.Unreachable(f"{what}: {type(error).__name__}: {error}".removesuffix(": ")) from error
        finally:
            self._metrics.api_requests.labels(verb, code).inc()


_METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
}


def _status(body: bytes) -> Object:
    """The Status object that explains a refusal; a proxy may send something else."""
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _refusal(code: int, headers: Mapping[str, str], status: Object, what: str) -> errors.ClusterError:
    message = str(status.get("message") or f"answered {code}")
    told = f"{what}: {message}"
    if code == 404:
        return errors.NotFound(told)
    if code == 409:
        return errors.Conflict(told)
    asked = headers.get("Retry-After") or (status.get("details") or {}).get("retryAfterSeconds")
    retry_after = float(str(asked)) if str(asked).isdigit() else None
    if code == 410:
        return Gone(told)
    if code in (408, 429) or code >= 500:
        return errors.Unreachable(told, retry_after=retry_after)
    return errors.Refused(status=code, message=message)
