"""What an ADMIN sees of the sending: messages that were given up, and the development mailbox."""

from typing import Annotated, Literal

from fastapi import Depends, Query, Response

from revcart.kit import asgi, auth, errors, pages
from revcart.kit import schemas as kit_schemas
from revcart.notification import domain, flow, schemas

router = asgi.router(prefix="/api/notifications", tags=["notification"])

Ports = Annotated[flow.Ports, Depends(asgi.ports)]
Newest = Annotated[pages.PageQuery, Depends(pages.query("createdAt", default="createdAt,desc"))]


@router.get("/failed")
async def list_failed(
    _: auth.Admin,
    query: Newest,
    ports: Ports,
    template: Annotated[str | None, Query(max_length=40)] = None,
    channel: domain.Channel | None = None,
    since: Annotated[kit_schemas.Instant | None, Query(alias="from")] = None,
) -> pages.Page[schemas.Dispatch]:
    found, total = await ports.store.dead(template=template, channel=channel, since=since, query=query)
    return pages.of(content=[schemas.Dispatch.of(each) for each in found], query=query, total=total)


@router.post("/{id}/retry", status_code=202, responses=errors.documented(errors.NotFound, domain.NotFailed))
async def retry_dispatch(id: str, _: auth.Admin, ports: Ports) -> schemas.Accepted:
    await flow.retry(id=id, ports=ports)
    return schemas.Accepted(id=id)


@router.get("/dev/mailbox", responses=errors.documented(errors.NotFound))
async def read_mailbox(
    _: auth.Admin,
    ports: Ports,
    to: Annotated[str | None, Query(max_length=254)] = None,
    channel: Literal["EMAIL", "SMS"] | None = None,
) -> list[schemas.MailboxMessage]:
    return [schemas.MailboxMessage.of(each) for each in await flow.mailbox(to=to, channel=channel, ports=ports)]


@router.delete("/dev/mailbox", status_code=204, response_class=Response, responses=errors.documented(errors.NotFound))
async def empty_mailbox(_: auth.Admin, ports: Ports) -> None:
    await flow.empty_mailbox(ports=ports)
