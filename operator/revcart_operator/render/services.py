"""The eleven services as Deployments with their Services, and paysim as a StatefulSet: it keeps a file."""

from typing import Any

from revcart_operator.platform import catalogue, spec, store
from revcart_operator.render import config, names, pods, quantities, scaling, secrets, site

_GRACE_SECONDS = 5  # until every proxy has heard that the pod takes no more
_DRAIN_SECONDS = 25  # REVCART_SHUTDOWN_SECONDS: requests in flight, then the outbox
_END_SECONDS = _GRACE_SECONDS + _DRAIN_SECONDS + 10
_STARTUP_FAILURES = 150  # every 2 s: twelve at once on two cores take their time
_PAYSIM_STORAGE = "1Gi"


def manifests(place: site.Site, service: catalogue.Service) -> list[names.Manifest]:
    """Everything that one service of the shop is. Raises references.MissingSecret."""
    wanted = place.platform.spec.services.of(service.name)
    read = config.of(place, service)
    pod = pods.Pod(
        part=service.name,
        user=pods.SERVICE_USER,
        containers=[
            pods.Container(
                name=service.name,
                image=place.service_image(service.name),
                args=("serve", service.name),
                env=read.environment(),
                mounts={**read.mounts(), "/tmp": "tmp"},  # noqa: S108 - a volume's mount
                port=service.port,
                probes=_probes(),
                resources=wanted.resources,
                grace_seconds=_GRACE_SECONDS,
            )
        ],
        volumes={**read.volumes(place.shop.called(service.name)), "tmp": pods.scratch()},
        seconds=_END_SECONDS,
        spread=wanted.spread,
        extra=wanted.pod_template,
        config=read.digest,
    )
    return [
        secrets.manifest(place.shop, service.name, read.secret),
        network_service(place, service.name, service.port),
        _deployment(place, pod, replicas=scaling.replicas(place, wanted)),
        *scaling.manifests(place, service.name, wanted),
    ]


def paysim(place: site.Site) -> list[names.Manifest]:
    """Razorpay's double, one pod with a volume."""
    part, wanted = catalogue.PAYSIM.name, place.platform.spec.service_defaults
    read = config.of(place, catalogue.PAYSIM)
    pod = pods.Pod(
        part=part,
        user=pods.SERVICE_USER,
        containers=[
            pods.Container(
                name=part,
                image=place.service_image(part),
                args=("serve", part),
                env=read.environment(),
                mounts={**read.mounts(), "/tmp": "tmp", site.PAYSIM_FOLDER: "data"},  # noqa: S108
                port=catalogue.PAYSIM.port,
                probes=_probes(liveness="/actuator/health", readiness="/actuator/health"),
                resources=wanted.resources,
                grace_seconds=_GRACE_SECONDS,
            )
        ],
        volumes={**read.volumes(place.shop.called(part)), "tmp": pods.scratch()},
        seconds=_END_SECONDS,
        extra=wanted.pod_template,
        config=read.digest,
    )
    mysql = place.platform.spec.stores.mysql.managed
    beside = store.Storage(size=_PAYSIM_STORAGE, storage_class_name=mysql.storage.storage_class_name if mysql else None)
    return [
        secrets.manifest(place.shop, part, read.secret),
        network_service(place, part, catalogue.PAYSIM.port),
        stateful(place, pod, storage=beside),
    ]


def network_service(place: site.Site, part: str, port: int) -> names.Manifest:
    """The address of a part. `targetPort` by name: each pod says where it listens."""
    return place.shop.manifest(
        "v1",
        "Service",
        part,
        spec={
            "type": "ClusterIP",
            "selector": place.shop.selector(part),
            "ports": [{"name": "main", "port": port, "targetPort": "main", "protocol": "TCP"}],
        },
    )


def stateful(place: site.Site, pod: pods.Pod, *, storage: store.Storage) -> names.Manifest:
    """One pod with one volume `data`, which outlives it."""
    keep = str(place.platform.spec.deletion_policy.stores)
    return place.shop.manifest(
        "apps/v1",
        "StatefulSet",
        pod.part,
        spec={
            "replicas": 0 if place.hibernated else 1,
            "serviceName": place.shop.called(pod.part),
            "podManagementPolicy": "Parallel",  # else a pod that never got ready, a mistyped image, is never replaced
            "revisionHistoryLimit": 3,
            "selector": {"matchLabels": place.shop.selector(pod.part)},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": keep, "whenScaled": "Retain"},
            "template": pods.template(place, pod),
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": "data", "labels": place.shop.selector(pod.part)},
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "storageClassName": storage.storage_class_name,
                        "resources": {"requests": {"storage": quantities.canonical(storage.size)}},
                    },
                }
            ],
        },
    )


def _deployment(place: site.Site, pod: pods.Pod, *, replicas: int | None) -> names.Manifest:
    update: spec.UpdateStrategy = place.platform.spec.update_strategy
    return place.shop.manifest(
        "apps/v1",
        "Deployment",
        pod.part,
        spec={
            "replicas": replicas,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": update.progress_deadline_seconds,
            "selector": {"matchLabels": place.shop.selector(pod.part)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": pods.template(place, pod),
        },
    )


def _probes(
    *, liveness: str = "/actuator/health/liveness", readiness: str = "/actuator/health/readiness"
) -> dict[str, Any]:
    """Readiness asks the service's own stores and no other service: a platform that starts cannot wait for itself."""
    return {
        "startupProbe": pods.http_probe(liveness, every=2, failures=_STARTUP_FAILURES),
        "readinessProbe": pods.http_probe(readiness, every=5, failures=3),
        "livenessProbe": pods.http_probe(liveness, every=10, failures=6, seconds=5),
    }
