"""`spec.patches` are RFC 6902 on what is rendered, and weaken nothing."""

from typing import Any

import pytest
from tests import renders

from revcart_operator.platform import spec
from revcart_operator.render import patches


def operations(*given: dict[str, Any]) -> list[spec.Operation]:
    return [spec.Operation.model_validate(each) for each in given]


@pytest.mark.parametrize(
    ("before", "operation", "after"),
    [  # mostly RFC 6902's appendix A
        ({"foo": "bar"}, {"op": "add", "path": "/baz", "value": "qux"}, {"baz": "qux", "foo": "bar"}),
        ({"foo": ["bar", "baz"]}, {"op": "add", "path": "/foo/1", "value": "qux"}, {"foo": ["bar", "qux", "baz"]}),
        ({"foo": ["bar"]}, {"op": "add", "path": "/foo/-", "value": ["abc"]}, {"foo": ["bar", ["abc"]]}),
        ({"foo": "bar"}, {"op": "add", "path": "/child", "value": {"a": {}}}, {"foo": "bar", "child": {"a": {}}}),
        ({"baz": "qux", "foo": "bar"}, {"op": "remove", "path": "/baz"}, {"foo": "bar"}),
        ({"foo": ["bar", "qux", "baz"]}, {"op": "remove", "path": "/foo/1"}, {"foo": ["bar", "baz"]}),
        ({"baz": "qux"}, {"op": "replace", "path": "/baz", "value": None}, {"baz": None}),
        (
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            {"op": "move", "from": "/foo/waldo", "path": "/qux/thud"},
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        ),
        (
            {"foo": ["all", "grass", "cows", "eat"]},
            {"op": "move", "from": "/foo/1", "path": "/foo/3"},
            {"foo": ["all", "cows", "eat", "grass"]},
        ),
        ({"a": [1], "b": {}}, {"op": "copy", "from": "/a", "path": "/b/c"}, {"a": [1], "b": {"c": [1]}}),
        ({"a/b": {"m~n": 1}}, {"op": "replace", "path": "/a~1b/m~0n", "value": 2}, {"a/b": {"m~n": 2}}),
        ({"baz": ["a", 2]}, {"op": "test", "path": "/baz/1", "value": 2}, {"baz": ["a", 2]}),
    ],
)
def test_an_operation(before: Any, operation: dict[str, Any], after: Any) -> None:
    assert patches.document(before, operations(operation)) == after


@pytest.mark.parametrize(
    ("before", "operation", "why"),
    [
        ({"foo": "bar"}, {"op": "add", "path": "/baz/bat", "value": 1}, "/baz/bat is not there"),
        ({"foo": [1]}, {"op": "add", "path": "/foo/2", "value": 1}, "/foo/2 is not there"),
        ({"foo": [1]}, {"op": "remove", "path": "/foo/-"}, "/foo/- is not there"),
        ({"foo": [1]}, {"op": "remove", "path": "/foo/01"}, "/foo/01 is not there"),
        ({"foo": 1}, {"op": "remove", "path": "/bar"}, "/bar is not there"),
        ({"foo": 1}, {"op": "replace", "path": "/bar", "value": 1}, "/bar is not there"),
        ({"foo": 1}, {"op": "test", "path": "/foo", "value": True}, "the value there is another one"),
        ({"foo": "1"}, {"op": "test", "path": "/foo", "value": 1}, "the value there is another one"),
        ({"foo": {}}, {"op": "move", "from": "/foo", "path": "/foo/a"}, "cannot move into itself"),
    ],
)
def test_an_operation_that_does_not_apply(before: Any, operation: dict[str, Any], why: str) -> None:
    with pytest.raises(patches.DoesNotApply, match=why):
        patches.document(before, operations(operation))


def patched(*given: dict[str, Any], kind: str = "Deployment", name: str = "order") -> list[dict[str, Any]]:
    patch = {"target": {"kind": kind, "name": name}, "operations": list(given)}
    return renders.objects(renders.platform(patches=[patch]))


@pytest.mark.parametrize("name", ["order", "shop-order"])
def test_a_patch_finds_its_object_by_part_or_by_name(name: str) -> None:
    found = patched({"op": "add", "path": "/spec/template/spec/runtimeClassName", "value": "gvisor"}, name=name)
    assert renders.one(found, "Deployment", "shop-order")["spec"]["template"]["spec"]["runtimeClassName"] == "gvisor"
    assert "runtimeClassName" not in renders.one(found, "Deployment", "shop-cart")["spec"]["template"]["spec"]


def test_a_job_that_is_patched_is_another_job() -> None:
    found = patched({"op": "replace", "path": "/spec/backoffLimit", "value": 1}, kind="Job", name="migrate-order")
    (job,) = [
        each for each in found if each["kind"] == "Job" and each["metadata"]["name"].startswith("shop-migrate-order")
    ]
    assert job["spec"]["backoffLimit"] == 1
    plain = {each["metadata"]["name"] for each in renders.objects(renders.platform()) if each["kind"] == "Job"}
    assert job["metadata"]["name"] not in plain


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        (
            {"op": "replace", "path": "/spec/template/spec/containers/0", "value": {"name": "x", "image": "y"}},
            r"spec\.patches\[0\]: it would weaken the pod's security \(containers\.x\)",
        ),
        (
            {"op": "add", "path": "/spec/template/spec/volumes/-", "value": {"name": "h", "hostPath": {"path": "/"}}},
            r"volumes\.h",
        ),
        ({"op": "replace", "path": "/metadata/name", "value": "other"}, "may not change an object's kind, name"),
        ({"op": "remove", "path": "/spec/nothing"}, r"spec\.patches\[0\]\.operations\[0\] \(remove /spec/nothing\)"),
    ],
)
def test_what_a_patch_may_not_do_is_told_with_its_place(operation: dict[str, Any], why: str) -> None:
    with pytest.raises(patches.DoesNotApply, match=why):
        patched(operation)


def test_a_patch_of_something_that_is_not_rendered() -> None:
    with pytest.raises(patches.DoesNotApply, match=r"spec\.patches\[0\]: there is no Ingress gateway in this platform"):
        patched({"op": "remove", "path": "/spec/tls"}, kind="Ingress", name="gateway")
