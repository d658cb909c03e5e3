"""The settings of a service on a cluster: secret values as files of a Secret, the others in the environment."""

from dataclasses import dataclass, field
from typing import Any

from revcart_operator.platform import catalogue
from revcart_operator.render import names, pods, settings, site, stores

VOLUME = "secrets"
AUTHORITIES = "authorities"


@dataclass(frozen=True, kw_only=True)
class Config:
    """`secret`: name → value, in the Secret `<platform>-<service>`; `authorities`: Secrets whose `ca.crt` is there."""

    secret: dict[str, str] = field(repr=False)
    plain: dict[str, str]
    authorities: tuple[str, ...]
    digest: str

    def environment(self) -> list[dict[str, Any]]:
        return [
            pods.variable("REVCART_SECRETS_DIR", site.SECRETS_FOLDER),
            pods.pod_address("REVCART_ADVERTISE_HOST"),
            *(pods.variable(name, value) for name, value in self.plain.items() if value),
        ]

    def mounts(self) -> dict[str, str | tuple[str, str]]:
        found: dict[str, str | tuple[str, str]] = {site.SECRETS_FOLDER: VOLUME}
        return {**found, **({site.AUTHORITIES_FOLDER: AUTHORITIES} if self.authorities else {})}

    def volumes(self, secret: str) -> dict[str, dict[str, Any]]:
        found = {VOLUME: pods.secret(secret)}
        return {**found, **({AUTHORITIES: authorities(self.authorities)} if self.authorities else {})}


def of(place: site.Site, service: catalogue.Service) -> Config:
    """Raises references.MissingSecret."""
    values = settings.of(place.seen, service=service.name, facts=place.facts)
    texts = {name: settings.as_text(value) for name, value in values.items()}
    secret = {name: text for name, text in texts.items() if name in settings.SECRET and text}
    trusted = trusted_by(place, service)
    return Config(
        secret=secret,
        plain={name: text for name, text in texts.items() if name not in settings.SECRET},
        authorities=trusted,
        digest=names.digest([secret, certificates(place, trusted)]),
    )


def trusted_by(place: site.Site, service: catalogue.Service) -> tuple[str, ...]:
    """The Secrets whose `ca.crt` a service has to have as a file."""
    return stores.authorities(place.seen, service=service, secrets=place.facts.referred)


def certificates(place: site.Site, secrets: tuple[str, ...]) -> dict[str, str]:
    return {name: place.facts.referred.values[name]["ca.crt"] for name in secrets}


def authorities(secrets: tuple[str, ...]) -> dict[str, Any]:
    """A volume with `<secret>/ca.crt` of each, and nothing else of them."""
    sources = [{"secret": {"name": name, "items": [{"key": "ca.crt", "path": f"{name}/ca.crt"}]}} for name in secrets]
    return {"projected": {"sources": sources, "defaultMode": 0o440}}
