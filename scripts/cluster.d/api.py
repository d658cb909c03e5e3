"""The API server, spoken to with nothing but the standard library: for the script itself and for its two fixtures."""

import http.client
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import places

Object = dict[str, Any]

TIMEOUT = 10.0  # seconds, per call
WATCH_SECONDS = 240
FIELD_MANAGER = "revcart-cluster"


class Refused(Exception):
    """The server said no: `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message[:300]}")
        self.status = status


class Api:
    def __init__(self, pki: Path) -> None:
        self._tls = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    def get(self, path: str) -> Object:
        return self.call("GET", path)

    def apply(self, path: str, body: Object) -> Object:
        """Server-side apply."""
        query = f"?fieldManager={FIELD_MANAGER}&force=true"
        return self.call("PATCH", path + query, body=body, content="application/apply-patch+yaml")

    def merge(self, path: str, body: Object) -> Object:
        return self.call("PATCH", path, body=body, content="application/merge-patch+json")

    def call(self, method: str, path: str, *, body: Object | None = None, content: str = "application/json") -> Object:
        """The answer's object. Raises Refused, OSError."""
        connection = self._connect(TIMEOUT)
        try:
            connection.request(
                method, path, body=None if body is None else json.dumps(body), headers={"Content-Type": content}
            )
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except http.client.HTTPException as error:
            raise OSError(f"no whole answer: {error}") from error
        finally:
            connection.close()
        if answer.status >= 300:
            raise Refused(answer.status, text)
        found: Object = json.loads(text) if text.startswith("{") else {"text": text}
        return found

    def follow(self, path: str) -> Iterator[dict[str, Object]]:
        """All objects of a collection by namespace/name, now and after each change, for ever, over outages."""
        while True:
            try:
                yield from self._follow_once(path)
            except (OSError, Refused, http.client.HTTPException, json.JSONDecodeError):
                time.sleep(1.0)

    def _follow_once(self, path: str) -> Iterator[dict[str, Object]]:
        listed = self.get(path)
        known = {_key(item): item for item in listed["items"]}
        yield dict(known)
        version = listed["metadata"]["resourceVersion"]
        connection = self._connect(WATCH_SECONDS + 30.0)
        try:
            watch = f"{path}?watch=1&resourceVersion={version}&timeoutSeconds={WATCH_SECONDS}"
            connection.request("GET", watch)
            answer = connection.getresponse()
            if answer.status != 200:
                return
            while line := answer.readline():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                if event["type"] == "DELETED":
                    known.pop(_key(event["object"]), None)
                else:
                    known[_key(event["object"])] = event["object"]
                yield dict(known)
        finally:
            connection.close()

    def _connect(self, timeout: float) -> http.client.HTTPSConnection:
        host, port = places.SERVER.removeprefix("https://").split(":")
        # http.client takes no notice of the environment's proxies.
        return http.client.HTTPSConnection(host, int(port), timeout=timeout, context=self._tls)


def _key(item: Object) -> str:
    metadata = item["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"
