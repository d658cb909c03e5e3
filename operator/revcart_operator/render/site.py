"""A platform in its cluster: what every part of the render reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from revcart_operator.platform import catalogue, spec, workload
from revcart_operator.render import bindings, credentials, names, references, settings

SECRETS_FOLDER = "/run/revcart/secrets"
AUTHORITIES_FOLDER = "/run/revcart/authorities"
PAYSIM_FOLDER = "/data"
# Where ingress controllers of a cluster are; which of these addresses is theirs nobody knows before they are asked.
_PRIVATE = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What only the cluster knows.

    `credentials`: the content of `<platform>-credentials`, complete (`credentials.NAMES`); `referred`: the Secrets
    that the platform names (`manifests.needs`).
    """

    namespace: str
    uid: str
    credentials: Mapping[str, str] = field(repr=False)
    referred: references.References = field(default_factory=references.References, repr=False)


@dataclass(frozen=True, kw_only=True)
class Site:
    """`platform`: an effective one; `seen`: the same as its services see it, each store in a place with a Secret."""

    platform: spec.RevCartPlatform
    seen: spec.RevCartPlatform
    shop: names.Shop
    facts: settings.Facts = field(repr=False)
    bound: Mapping[str, bindings.Binding] = field(repr=False)
    credentials: Mapping[str, str] = field(repr=False)

    @property
    def hibernated(self) -> bool:
        return self.platform.spec.run_state is spec.RunState.HIBERNATED

    @property
    def simulated(self) -> bool:
        """Whether paysim stands in for Razorpay."""
        return self.platform.spec.services.payment.razorpay.mode is workload.RazorpayMode.SIMULATED

    def image(self, name: str, otherwise: str) -> str:
        """The image that the platform gives for `name`, else the other one."""
        given = {override.name: override.image for override in self.platform.spec.images.overrides}
        return given.get(name, otherwise)

    def service_image(self, service: str) -> str:
        images = self.platform.spec.images
        return self.image(service, self.image("platform", f"{images.registry}/platform:{self.platform.spec.version}"))


def of(platform: spec.RevCartPlatform, *, facts: Facts) -> Site:
    """Put an effective platform in its place. Raises references.MissingSecret."""
    shop = names.Shop(name=platform.name, namespace=facts.namespace, uid=facts.uid)
    made = bindings.managed(platform, shop=shop, given=facts.credentials)
    return Site(
        platform=platform,
        seen=bindings.connected(platform, shop=shop),
        shop=shop,
        facts=_settings_facts(platform, shop, facts=facts, made=made),
        bound=made,
        credentials=facts.credentials,
    )


def address(exposure: spec.Exposure, *, host: str = "") -> str:
    """The base URL of an exposed host; empty when nothing is exposed."""
    if exposure.type is spec.ExposureType.NONE:
        return ""
    return f"{'https' if exposure.tls else 'http'}://{host or exposure.host}"


def paysim_host(exposure: spec.Exposure) -> str:
    """Where browsers find paysim's checkout."""
    return f"paysim.{exposure.host}"


def _settings_facts(
    platform: spec.RevCartPlatform, shop: names.Shop, *, facts: Facts, made: Mapping[str, bindings.Binding]
) -> settings.Facts:
    exposure = platform.spec.exposure
    public, gateway, payment = address(exposure), shop.called("gateway"), catalogue.BY_NAME["payment"]
    # Without an exposure the shop is reached through `kubectl port-forward`, on the ports of the catalogue.
    public_url = public or f"http://localhost:{catalogue.BY_NAME['gateway'].port}"
    checkout = address(exposure, host=paysim_host(exposure)) or f"http://localhost:{catalogue.PAYSIM.port}"
    return settings.Facts(
        host="0.0.0.0",  # noqa: S104 - every address of the pod
        ports={service.name: service.port for service in (*catalogue.SERVICES, catalogue.PAYSIM)},
        databases={catalogue.PAYSIM.database: f"sqlite:///{PAYSIM_FOLDER}/paysim.db"},
        documents={},
        cache_url="",
        bus_url="",
        registry_url="",
        public_url=public_url,
        storefront_url=public or "http://localhost:4200",
        razorpay_url=f"http://{shop.called(catalogue.PAYSIM.name)}:{catalogue.PAYSIM.port}",
        secrets=credentials.secrets(facts.credentials),
        referred=bindings.with_managed(facts.referred, made, shop=shop, folder=AUTHORITIES_FOLDER),
        checkout_url=checkout,
        # Not through the gateway, which sends plain HTTP away where there is a certificate.
        webhook_url=f"http://{shop.called(payment.name)}:{payment.port}",
        dns_names=f"{shop.name}-{{service}}:{{port}}",
        gateway_hosts=(gateway, f"{gateway}.{shop.namespace}", f"{gateway}.{shop.namespace}.svc"),
        proxies=_PRIVATE if public else (),
    )
