"""The processes of the native node, in the order in which they start: their programs, words and configuration files."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import builds
import packages
import places


@dataclass(frozen=True, kw_only=True)
class Place:
    state: Path

    def __post_init__(self) -> None:
        for folder in (self.etc, self.logs, self.records, self.volumes, self.ingress):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def etc(self) -> Path:
        return self.state / "etc"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def records(self) -> Path:
        return self.state / "processes"

    @property
    def volumes(self) -> Path:
        return self.state / "volumes"

    @property
    def ingress(self) -> Path:
        return self.state / "ingress"


@dataclass(frozen=True, kw_only=True)
class Component:
    name: str
    command: Callable[[Place], list[str]]


def _program(name: str) -> str:
    build = builds.maker(name)
    assert build is not None, name
    return str(builds.folder(build) / name)


def _etcd(place: Place) -> list[str]:
    client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    return [
        _program("etcd"),
        f"--data-dir={place.state / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        # Survives the death of any process, not a loss of power: tests write much, and this is a throw-away cluster.
        "--unsafe-no-fsync",
    ]


def _containerd(place: Place) -> list[str]:
    return ["containerd", "--config", str(place.etc / "containerd.toml")]


def _apiserver(place: Place) -> list[str]:
    pki = place.pki
    return [
        _program("kube-apiserver"),
        f"--advertise-address={places.NODE_ADDRESS}",
        "--allow-privileged=true",
        "--authorization-mode=Node,RBAC",
        f"--cert-dir={pki}",
        f"--client-ca-file={pki / 'ca.crt'}",
        "--enable-admission-plugins=NodeRestriction",
        "--etcd-servers=http://127.0.0.1:2379",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'admin.crt'}",
        f"--kubelet-client-key={pki / 'admin.key'}",
        # By its name the node cannot be found.
        "--kubelet-preferred-address-types=InternalIP",
        "--secure-port=6443",
        f"--service-account-issuer=https://kubernetes.default.svc.{places.DNS_DOMAIN}",
        f"--service-account-key-file={pki / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
        f"--service-cluster-ip-range={places.SERVICE_RANGE}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
    ]


def _controller_manager(place: Place) -> list[str]:
    pki = place.pki
    return [
        _program("kube-controller-manager"),
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={places.POD_RANGE}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--kubeconfig={pki / 'controller-manager.kubeconfig'}",
        "--leader-elect=false",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--service-account-private-key-file={pki / 'service-accounts.key'}",
        "--use-service-account-credentials=true",
    ]


def _scheduler(place: Place) -> list[str]:
    return [
        _program("kube-scheduler"),
        f"--kubeconfig={place.pki / 'scheduler.kubeconfig'}",
        "--leader-elect=false",
    ]


def _kubelet(place: Place) -> list[str]:
    return [
        _program("kubelet"),
        f"--config={place.etc / 'kubelet.json'}",
        f"--hostname-override={places.CLUSTER}",
        f"--kubeconfig={place.pki / 'kubelet.kubeconfig'}",
        f"--node-ip={places.NODE_ADDRESS}",
    ]


def _proxy(place: Place) -> list[str]:
    return [_program("kube-proxy"), f"--config={place.etc / 'kube-proxy.json'}"]


def _coredns(place: Place) -> list[str]:
    return [_program("coredns"), "-conf", str(place.etc / "Corefile")]


def _fixture(script: str, *folders: str) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        arguments = [str(place.state / folder) for folder in folders]
        return [sys.executable, "-B", str(places.HERE.absolute() / script), *arguments]

    return command


API_SERVER = "kube-apiserver"
COMPONENTS = {
    component.name: component
    for component in (
        Component(name="etcd", command=_etcd),
        Component(name="containerd", command=_containerd),
        Component(name=API_SERVER, command=_apiserver),
        Component(name="kube-controller-manager", command=_controller_manager),
        Component(name="kube-scheduler", command=_scheduler),
        Component(name="kubelet", command=_kubelet),
        Component(name="kube-proxy", command=_proxy),
        Component(name="coredns", command=_coredns),
        Component(name="volumes", command=_fixture("volumes.py", "pki", "volumes")),
        Component(name="ingress", command=_fixture("ingress.py", "pki", "ingress")),
    )
}


def configure(place: Place) -> None:
    """Write the configuration files of all components."""
    (place.etc / "containerd.toml").write_text(_containerd_file(place))
    network = place.etc / "cni"
    network.mkdir(exist_ok=True)
    (network / "10-pods.conflist").write_text(json.dumps(_NETWORK, indent=2))
    # Pods may ask cluster DNS only; there is no way from them to the resolver of the machine.
    (place.etc / "resolv.conf").write_text(f"nameserver {places.DNS_ADDRESS}\n")
    (place.etc / "kubelet.json").write_text(json.dumps(_kubelet_file(place), indent=2))
    (place.etc / "kube-proxy.json").write_text(json.dumps(_proxy_file(place), indent=2))
    (place.etc / "Corefile").write_text(_corefile(place))


_NETWORK = {
    "cniVersion": "0.4.0",
    "name": "revcart",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "pods0",
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                # The first range that the controller manager gives to a node, and there is one node.
                "ranges": [[{"subnet": "10.244.0.0/24"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


def _containerd_file(place: Place) -> str:
    plugin = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
address = "/run/containerd/containerd.sock"
[{plugin}]
sandbox_image = "{places.PAUSE_IMAGE}"
# Lowering it needs CAP_SYS_RESOURCE, which sandboxes lack.
restrict_oom_score_adj = true
[{plugin}.cni]
bin_dir = "{packages.cni_folder()}"
conf_dir = "{place.etc / "cni"}"
[{plugin}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[{plugin}.containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def _kubelet_file(place: Place) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(place.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{places.CLUSTER}",
        "clusterDNS": [places.DNS_ADDRESS],
        "clusterDomain": places.DNS_DOMAIN,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        # A test machine's disk may be nearly full, and images that were loaded by hand cannot be pulled again.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "failCgroupV1": False,
        "failSwapOn": False,
        "maxPods": 200,
        "oomScoreAdj": 0,
        "registerNode": True,
        "resolvConf": str(place.etc / "resolv.conf"),
        "tlsCertFile": str(place.pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(place.pki / "kubelet.key"),
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
    }


def _proxy_file(place: Place) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(place.pki / "proxy.kubeconfig")},
        "clusterCIDR": places.POD_RANGE,
        "conntrack": {"maxPerCore": 0},
        "hostnameOverride": places.CLUSTER,
        "mode": "iptables",
        "oomScoreAdj": 0,
    }


def _corefile(place: Place) -> str:
    # Other names get an answer at once, "there is none": a pod that asks for one must not wait for a time-out.
    return f"""{places.DNS_DOMAIN} in-addr.arpa ip6.arpa {{
    bind {places.NODE_ADDRESS}
    errors
    kubernetes {places.DNS_DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {place.pki / "admin.kubeconfig"}
        pods insecure
        ttl 5
    }}
    cache 5
    loadbalance
}}
. {{
    bind {places.NODE_ADDRESS}
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""
