"""What External stores need before services start on them: databases with their schema, and topics.

On a cluster a Job does the same with `revcart-service provision` and `migrate`; services make their own documents and
indexes.
"""

import asyncio
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from revcart.kit import bus, causes, errors, migrations, provisioning
from revcart_operator.local import refusals
from revcart_operator.platform import catalogue, spec
from revcart_operator.render import settings, stores


async def prepare(
    platform: spec.RevCartPlatform,
    services: Sequence[catalogue.Service],
    *,
    facts: settings.Facts,
    tell: Callable[[str], None],
) -> None:
    """Bring all there is to the newest; `tell` is called with a line per step. Raises NotPrepared."""
    external = stores.external(platform)
    if "mysql" in external:
        for service in services:
            if service.database and service is not catalogue.PAYSIM:
                url = sa.make_url(str(settings.of(platform, service=service.name, facts=facts)["REVCART_DATABASE_URL"]))
                tell(await _migrated(service.name, url))
    if "kafka" in external:
        tell(await _topics(str(settings.of(platform, service=services[0].name, facts=facts)["REVCART_BUS_URL"])))


async def _migrated(service: str, url: sa.URL) -> str:
    what = f"the database {url.database} on {url.host}:{url.port}"
    try:
        await asyncio.to_thread(provisioning.make_database, url)
        before, after = await asyncio.to_thread(migrations.upgrade, service, url)
    except migrations.UnknownSchema as error:
        raise refusals.NotPrepared(what=what, why=str(error)) from error
    except (errors.DependencyUnavailable, sa.exc.DBAPIError) as error:
        raise refusals.NotPrepared(what=what, why=causes.reason(error, hidden=(url.password or "",))) from error
    return f"mysql: {url.database} has schema {after}" + ("" if before == after else f" (before: {before or 'none'})")


async def _topics(url: str) -> str:
    try:
        made = await bus.ensure_topics(url)
    except errors.DependencyUnavailable as error:
        raise refusals.NotPrepared(what="the topics on Kafka", why=causes.reason(error)) from error
    return f"kafka: {len(made)} topics made" if made else "kafka: all topics are there"
