"""What the operator asks of an API server, and what it makes of an answer that is late, wrong or missing."""

import json
from collections.abc import AsyncIterator

import pytest
from tests import api_server

from revcart.kit import clock
from revcart_operator.engine import errors, kinds
from revcart_operator.kube import client, connection

CONFIG_MAP = kinds.of({"apiVersion": "v1", "kind": "ConfigMap"})
MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop-x", "namespace": "groceries"}}
PLATFORM = {
    "apiVersion": kinds.PLATFORM.api_version,
    "kind": kinds.PLATFORM.kind,
    "metadata": {"name": "shop", "namespace": "groceries", "uid": "u1", "resourceVersion": "3"},
}


@pytest.fixture
async def server() -> AsyncIterator[api_server.ApiServer]:
    async with api_server.serving() as serving:
        yield serving


@pytest.fixture
async def cluster(server: api_server.ApiServer) -> AsyncIterator[client.Client]:
    to = server.connection(seconds=1.0)
    yield client.Client(to, clock=clock.Manual(), instance="pod-1")
    await to.close()


async def test_apply_is_a_forced_server_side_apply_by_our_field_manager(
    server: api_server.ApiServer, cluster: client.Client
) -> None:
    server.script = [api_server.says(MANIFEST), api_server.says(MANIFEST)]
    assert await cluster.apply(MANIFEST) == MANIFEST
    await cluster.apply(MANIFEST, dry_run=True)
    first, second = server.asked
    assert (first.method, first.path) == ("PATCH", "/api/v1/namespaces/groceries/configmaps/shop-x")
    assert first.query == {"fieldManager": "revcart-operator", "force": "true"}
    assert first.headers["Content-Type"] == "application/apply-patch+yaml"
    assert first.headers["Authorization"] == "Bearer secret-token"
    assert first.body == MANIFEST
    assert second.query["dryRun"] == "All"
    assert server.count("patch", "200") == 2


async def test_a_status_is_applied_onto_the_version_that_was_read(
    server: api_server.ApiServer, cluster: client.Client
) -> None:
    server.script = [api_server.says({})]
    await cluster.put_status(PLATFORM, {"observedGeneration": 2})
    (asked,) = server.asked
    assert asked.path == "/apis/platform.revcart.io/v1alpha1/namespaces/groceries/revcartplatforms/shop/status"
    assert asked.body["metadata"] == {"name": "shop", "namespace": "groceries", "resourceVersion": "3"}
    assert asked.body["status"] == {"observedGeneration": 2}


async def test_a_long_list_is_read_in_pages_and_each_item_says_what_it_is(
    server: api_server.ApiServer, cluster: client.Client
) -> None:
    server.script = [
        api_server.says({"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "a"}}]}),
        api_server.says({"metadata": {}, "items": [{"metadata": {"name": "b"}}]}),
    ]
    found = await cluster.list(CONFIG_MAP, "groceries", selector="platform.revcart.io/platform=shop")
    assert [(item["kind"], item["metadata"]["name"]) for item in found] == [("ConfigMap", "a"), ("ConfigMap", "b")]
    assert server.asked[0].query == {"limit": "500", "labelSelector": "platform.revcart.io/platform=shop"}
    assert server.asked[1].query["continue"] == "more"


async def test_platforms_of_all_namespaces(server: api_server.ApiServer, cluster: client.Client) -> None:
    server.script = [api_server.says({"metadata": {}, "items": []})]
    assert await cluster.platforms(None) == []
    assert server.asked[0].path == "/apis/platform.revcart.io/v1alpha1/revcartplatforms"


async def test_what_is_absent_is_none_to_get_and_fine_to_delete(cluster: client.Client) -> None:
    assert await cluster.get(CONFIG_MAP, "groceries", "nothing") is None
    await cluster.delete(CONFIG_MAP, "groceries", "nothing")
    with pytest.raises(errors.NotFound):
        await cluster.list(CONFIG_MAP, "groceries", selector="a=b")


async def test_delete_goes_to_that_very_object_in_the_background(
    server: api_server.ApiServer, cluster: client.Client
) -> None:
    server.script = [api_server.says({})]
    await cluster.delete(CONFIG_MAP, "groceries", "shop-x", uid="u7")
    assert server.asked[0].body["preconditions"] == {"uid": "u7"}
    assert server.asked[0].body["propagationPolicy"] == "Background"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (api_server.refuses(409, "the object has been modified"), errors.Conflict),
        (api_server.refuses(404, "namespaces not found"), errors.NotFound),
        (api_server.refuses(422, "spec.x: Invalid value"), errors.Refused),
        (api_server.refuses(403, "is forbidden"), errors.Refused),
        (api_server.refuses(500, "etcdserver: leader changed"), errors.Unreachable),
        (api_server.refuses(503, "apiserver is shutting down"), errors.Unreachable),
        (api_server.refuses(410, "the continue token is too old"), connection.Gone),
        (api_server.drops, errors.Unreachable),
        (api_server.hangs, errors.Unreachable),
    ],
)
async def test_each_refusal_has_one_word(
    server: api_server.ApiServer, cluster: client.Client, answer: api_server.Answer, error: type[errors.ClusterError]
) -> None:
    server.script = [answer]
    with pytest.raises(error):
        await cluster.apply(MANIFEST)
    assert len(server.asked) == 1, "the queue retries, not the client"


async def test_a_refusal_says_the_servers_own_sentence(server: api_server.ApiServer, cluster: client.Client) -> None:
    server.script = [api_server.refuses(422, "spec.replicas: Invalid value: -1")]
    with pytest.raises(errors.Refused) as refused:
        await cluster.apply(MANIFEST)
    assert (refused.value.status, refused.value.message) == (422, "spec.replicas: Invalid value: -1")


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_names_a_time_is_heard(
    server: api_server.ApiServer, cluster: client.Client, status: int
) -> None:
    server.script = [api_server.refuses(status, "too many requests", Retry_After="17")]
    with pytest.raises(errors.Unreachable) as refused:
        await cluster.apply(MANIFEST)
    assert refused.value.retry_after == 17
    assert server.count("patch", str(status)) == 1


async def test_an_answer_that_is_no_json_is_no_answer(server: api_server.ApiServer, cluster: client.Client) -> None:
    server.script = [api_server.is_html]
    with pytest.raises(errors.Unreachable):
        await cluster.get(CONFIG_MAP, "groceries", "x")


async def test_nobody_listens_there(server: api_server.ApiServer) -> None:
    server.url = "http://127.0.0.1:9"
    to = server.connection()
    with pytest.raises(errors.Unreachable):
        await to.request("get", "/version")
    assert server.count("get", "none") == 1
    await to.close()


async def test_an_event_that_cannot_be_written_stops_nothing(
    server: api_server.ApiServer, cluster: client.Client
) -> None:
    server.script = [api_server.says({}), api_server.refuses(403, "no more events")]
    await cluster.event(PLATFORM, type="Warning", reason="ImagePull", message="x" * 2000)
    await cluster.event(PLATFORM, type="Normal", reason="Ready", message="it serves")
    written = server.asked[0].body
    assert written["involvedObject"]["uid"] == "u1"
    assert len(written["message"]) == 1024


async def test_no_error_tells_the_token(server: api_server.ApiServer, cluster: client.Client) -> None:
    server.script = [api_server.refuses(401, "Unauthorized")]
    with pytest.raises(errors.Refused) as refused:
        await cluster.get(CONFIG_MAP, "groceries", "x")
    assert "secret-token" not in repr(refused.value) + json.dumps(str(refused.value))


async def test_where_no_cluster_is_configured_a_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/none")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(connection.NoCluster, match="set KUBECONFIG"):
        await connection.sign_in()
