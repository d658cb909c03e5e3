"""The Jobs that bring databases to a release: one per service that keeps something, in the platform's own image.

`provision` makes the database and its users, `migrate` the tables and topics, `provision` again the rights on tables.
A Job cannot be changed, so its name holds the hash of what it does: another release, image or password is another Job.
Only these Jobs know the servers' root passwords. On an External store nobody here is root: databases and users are
made by whoever runs it, but for the database itself where the user may.
"""

from typing import Any
from urllib import parse

from revcart_operator.platform import catalogue, workload
from revcart_operator.render import bindings, config, credentials, names, pods, secrets, settings, site

ADMIN_URL = "REVCART_PROVISION_ADMIN_URL"
MIGRATOR_URL = "REVCART_PROVISION_MIGRATOR_URL"
DOCUMENTS_ADMIN_URL = "REVCART_PROVISION_DOCUMENTS_ADMIN_URL"
_DATABASE, _DOCUMENTS, _BUS = "REVCART_DATABASE_URL", "REVCART_DOCUMENTS_URL", "REVCART_BUS_URL"
_MIGRATING = "MIGRATE_DATABASE_URL"  # key of the Secret; `migrate` finds it under REVCART_DATABASE_URL
_RETRIES = 6
_RESOURCES = workload.Resources(
    requests=workload.Amounts(cpu="25m", memory="96Mi"), limits=workload.Amounts(memory="384Mi")
)

SERVICES = tuple(service for service in catalogue.SERVICES if service.database or service.documents)


def part(service: str) -> str:
    return f"migrate-{service}"


def manifests(place: site.Site) -> list[names.Manifest]:
    """Raises references.MissingSecret."""
    return [made for service in SERVICES for made in _job(place, service)]


def _job(place: site.Site, service: catalogue.Service) -> list[names.Manifest]:
    own, called = part(service.name), place.shop.called(part(service.name))
    secret = _secret(place, service)
    trusted = config.trusted_by(place, service)
    steps = [_container(place, service, step, trusted=trusted) for step in _steps(place, service)]
    provisioned = {key: key for key in secret if key not in (_MIGRATING, _BUS)}
    migrated = {_MIGRATING: _DATABASE, _BUS: _BUS} if service.database else {_BUS: _BUS}
    pod = pods.Pod(
        part=own,
        user=pods.SERVICE_USER,
        before=steps[:-1],
        containers=steps[-1:],
        volumes={
            **({"provision": pods.secret(called, provisioned)} if len(steps) > 1 else {}),
            "migrate": pods.secret(called, migrated),
            "tmp": pods.scratch(),
            **({config.AUTHORITIES: config.authorities(trusted)} if trusted else {}),
        },
        restart="Never",  # a failed pod keeps its log
        extra=place.platform.spec.services.of(service.name).pod_template,
        config=names.digest([secret, config.certificates(place, trusted)]),
    )
    body = {
        "backoffLimit": _RETRIES,
        "activeDeadlineSeconds": place.platform.spec.update_strategy.progress_deadline_seconds,
        "template": pods.template(place, pod),
    }
    patched = [each.model_dump(mode="json") for each in place.platform.spec.patches if each.target.kind == "Job"]
    does = [place.shop.name, place.platform.spec.version, body, patched]
    return [
        secrets.manifest(place.shop, own, secret),
        place.shop.manifest("batch/v1", "Job", own, name=place.shop.numbered(own, names.digest(does)), spec=body),
    ]


_COMMANDS = {"provision": "provision", "migrate": "migrate", "rights": "provision"}


def _steps(place: site.Site, service: catalogue.Service) -> list[str]:
    """One after another, each when the one before is done. Rights on tables are given only where we make the users."""
    makes_documents = bool(service.documents) and "mongodb" in place.bound
    steps = ["provision", "migrate"] if service.database or makes_documents else ["migrate"]
    return [*steps, "rights"] if service.database and "mysql" in place.bound else steps


def _container(place: site.Site, service: catalogue.Service, name: str, *, trusted: tuple[str, ...]) -> pods.Container:
    mounts: dict[str, Any] = {
        site.SECRETS_FOLDER: "migrate" if name == "migrate" else "provision",
        "/tmp": "tmp",  # noqa: S108 - a volume's mount
        **({site.AUTHORITIES_FOLDER: config.AUTHORITIES} if trusted else {}),
    }
    return pods.Container(
        name=name,
        image=place.service_image(service.name),
        args=(_COMMANDS[name], service.name),
        env=[pods.variable("REVCART_SECRETS_DIR", site.SECRETS_FOLDER)],
        mounts=mounts,
        resources=_RESOURCES,
    )


def _secret(place: site.Site, service: catalogue.Service) -> dict[str, str]:
    rendered = settings.of(place.seen, service=service.name, facts=place.facts)
    values = {name: str(rendered[name]) for name in (_DATABASE, _DOCUMENTS, _BUS)}
    values[_MIGRATING] = values[_DATABASE]
    if service.database and "mysql" in place.bound:
        where, given = f"{place.shop.called('mysql')}:3306", place.credentials
        migrator = _login(bindings.migrator(service.name), given[credentials.migrating(service.name)])
        values[_MIGRATING] = values[MIGRATOR_URL] = f"mysql+aiomysql://{migrator}@{where}/{service.database}"
        values[ADMIN_URL] = f"mysql+aiomysql://{_login('root', given[credentials.MYSQL_ROOT])}@{where}"
    if service.documents and "mongodb" in place.bound:
        login = _login("root", place.credentials[credentials.MONGODB_ROOT])
        values[DOCUMENTS_ADMIN_URL] = f"mongodb://{login}@{place.shop.called('mongodb')}:27017/admin"
    return {name: value for name, value in values.items() if value}


def _login(user: str, password: str) -> str:
    return f"{user}:{parse.quote(password, safe='')}"
