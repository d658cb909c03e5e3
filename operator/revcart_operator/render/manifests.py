"""From an effective platform and the facts of its cluster to every object that it consists of, in waves."""

from dataclasses import dataclass

from revcart_operator.platform import catalogue, spec
from revcart_operator.render import (
    exposure,
    migrations,
    monitoring,
    names,
    network,
    patches,
    pods,
    references,
    servers,
    services,
    site,
)

Facts = site.Facts


@dataclass(frozen=True, kw_only=True)
class Step:
    """A wave: the next one is begun when this one is healthy. `objects` are complete, in the order to apply them in."""

    name: str
    objects: tuple[names.Manifest, ...]


def steps(platform: spec.RevCartPlatform, *, facts: Facts) -> tuple[Step, ...]:
    """The waves of a platform, which is an effective one; the same for the same input.

    foundation, stores, migrations, services, gateway, exposure; `AllAtOnce` has the gateway among the services. One
    that hibernates goes the other way, without migrations: what asks a store ends before it.
    Raises references.MissingSecret, patches.DoesNotApply.
    """
    place = site.of(platform, facts=facts)
    waves = {
        "foundation": [pods.account(place), *network.manifests(place)],
        "stores": servers.manifests(place),
        "migrations": [] if place.hibernated else migrations.manifests(place),
        "services": _services(place),
        "gateway": services.manifests(place, catalogue.BY_NAME["gateway"]),
        "exposure": [*exposure.manifests(place), *monitoring.manifests(place)],
    }
    if platform.spec.update_strategy.type is spec.UpdateType.ALL_AT_ONCE:
        waves["services"] += waves.pop("gateway")
    order = [name for name in (_TO_SLEEP if place.hibernated else waves) if name in waves]
    return _patched(platform, [Step(name=name, objects=tuple(waves[name])) for name in order])


_TO_SLEEP = ("foundation", "exposure", "gateway", "services", "stores")


def needs(platform: spec.RevCartPlatform) -> tuple[str, ...]:
    """The names of the Secrets whose content a platform needs."""
    return references.named(platform)


def _services(place: site.Site) -> list[names.Manifest]:
    inner = (service for service in catalogue.SERVICES if service.name != "gateway")
    made = [manifest for service in inner for manifest in services.manifests(place, service)]
    return [*made, *(services.paysim(place) if place.simulated else [])]


def _patched(platform: spec.RevCartPlatform, rendered: list[Step]) -> tuple[Step, ...]:
    if not platform.spec.patches:
        return tuple(rendered)
    whole = [manifest for step in rendered for manifest in step.objects]
    made = iter(patches.apply(platform.spec.patches, whole))
    return tuple(Step(name=step.name, objects=tuple(next(made) for _ in step.objects)) for step in rendered)
