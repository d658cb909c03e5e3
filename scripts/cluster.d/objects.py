"""What the native cluster holds from the start: cluster DNS and the classes of its two fixtures."""

import places
from api import Object

STORAGE_CLASS, PROVISIONER = "standard", "platform.revcart.io/fixture-volumes"
INGRESS_CLASS, INGRESS_CONTROLLER = "revcart-fixture", "platform.revcart.io/fixture-ingress"

_DNS_PORTS = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]

BASE: dict[str, Object] = {
    "/apis/storage.k8s.io/v1/storageclasses/standard": {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        # As kind's: a claim waits until a pod uses it, so nobody comes to rely on the opposite.
        "volumeBindingMode": "WaitForFirstConsumer",
    },
    "/apis/networking.k8s.io/v1/ingressclasses/revcart-fixture": {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {
            "name": INGRESS_CLASS,
            "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"},
        },
        "spec": {"controller": INGRESS_CONTROLLER},
    },
    # CoreDNS is a process of the node, so its Service selects no pods and is told where to send.
    "/api/v1/namespaces/kube-system/services/kube-dns": {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
        "spec": {"clusterIP": places.DNS_ADDRESS, "ports": _DNS_PORTS},
    },
    "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/kube-dns-node": {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kube-dns-node",
            "namespace": "kube-system",
            "labels": {
                "kubernetes.io/service-name": "kube-dns",
                "endpointslice.kubernetes.io/managed-by": "revcart-cluster",
            },
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [places.NODE_ADDRESS], "conditions": {"ready": True}}],
        "ports": _DNS_PORTS,
    },
}
"""API path: object."""
