"""Why something does not run, from what its pods say."""

import pytest

from revcart_operator.engine import health, kinds, pods, wanted

LABELS = {"app.kubernetes.io/component": "product"}
PRODUCT = wanted.Wanted(
    id=wanted.Id(kinds.DEPLOYMENT, "shop-product"), manifest={"metadata": {"labels": LABELS}}, hash=""
)
SLOW = health.Health(state=health.State.PROGRESSING, message="product 0/1")


def _pod(*, labels=None, **status):
    return {
        "metadata": {"name": "shop-product-1", "labels": labels or LABELS},
        "spec": {"containers": [{"name": "product", "image": "ghcr.io/revcart/platform:9"}]},
        "status": status,
    }


def _container(**state):
    return _pod(containerStatuses=[{"name": "product", **state}])


@pytest.mark.parametrize(
    ("pod", "reason", "sentence"),
    [
        (
            _container(state={"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}}),
            "ImagePullFailed",
            "product cannot start: image ghcr.io/revcart/platform:9 cannot be pulled (manifest unknown)",
        ),
        (
            _container(
                state={"waiting": {"reason": "CrashLoopBackOff"}},
                lastState={"terminated": {"exitCode": 1, "message": "starting\nno database\n"}},
            ),
            "CrashLoop",
            "product keeps crashing: exit code 1, no database; "
            "see kubectl logs shop-product-1 --container product --previous",
        ),
        (
            _container(
                state={"waiting": {"reason": "CrashLoopBackOff"}},
                lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            ),
            "CrashLoop",
            "product keeps crashing: out of memory (raise resources.limits.memory); "
            "see kubectl logs shop-product-1 --container product --previous",
        ),
        (
            _container(state={"waiting": {"reason": "CreateContainerConfigError", "message": "no key a in Secret b"}}),
            "PodConfigInvalid",
            "product cannot start: no key a in Secret b",
        ),
        (
            _pod(conditions=[{"type": "PodScheduled", "reason": "Unschedulable", "message": "Insufficient memory."}]),
            "Unschedulable",
            "product finds no node: Insufficient memory.",
        ),
    ],
    ids=["image", "crash", "memory", "config", "node"],
)
def test_pod_gives_the_reason(pod, reason, sentence):
    found = pods.explain(PRODUCT, SLOW, pods=[pod])
    assert (found.state, found.reason, found.message) == (SLOW.state, reason, sentence)


def test_pod_of_another_part_or_one_that_works_explains_nothing():
    broken = {"name": "product", "state": {"waiting": {"reason": "ErrImagePull"}}}
    other = _pod(labels={"app.kubernetes.io/component": "order"}, containerStatuses=[broken])
    works = _container(ready=True, state={"running": {}}, lastState={"terminated": {"exitCode": 1}})
    assert pods.explain(PRODUCT, SLOW, pods=[other, works]) == SLOW


def test_what_works_needs_no_reason():
    broken = _container(state={"waiting": {"reason": "ErrImagePull"}})
    assert pods.explain(PRODUCT, health.READY, pods=[broken]) == health.READY


def _deployment(**status):
    return {"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": {"observedGeneration": 2, **status}}


@pytest.mark.parametrize(
    ("live", "ready"),
    [
        (_deployment(replicas=2, updatedReplicas=2, availableReplicas=2), True),
        (_deployment(replicas=3, updatedReplicas=2, availableReplicas=3), False),  # an old pod is still there
        (_deployment(replicas=2, updatedReplicas=2, availableReplicas=1), False),
        (_deployment(replicas=2, updatedReplicas=2, availableReplicas=2, observedGeneration=1), False),
        (None, False),
    ],
)
def test_deployment_is_ready_when_its_last_change_is_rolled_out(live, ready):
    assert health.of(PRODUCT, live).is_ready is ready
