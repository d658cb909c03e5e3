"""A user's notifications and preferences."""

from typing import Annotated

from fastapi import Depends, Query, Response

from revcart.kit import asgi, auth, errors, pages
from revcart.notification import domain, flow, schemas

router = asgi.router(prefix="/api/notifications", tags=["notification"])

Ports = Annotated[flow.Ports, Depends(asgi.ports)]
Newest = Annotated[pages.PageQuery, Depends(pages.query("createdAt", default="createdAt,desc"))]


@router.get("")
async def list_notifications(
    user: auth.CurrentUser,
    query: Newest,
    ports: Ports,
    unread: bool | None = None,
    type: Annotated[str | None, Query(max_length=40)] = None,
) -> pages.Page[schemas.Notification]:
    found, total = await ports.store.page(user.id, unread=unread, type=type, query=query)
    return pages.of(content=[schemas.Notification.of(each) for each in found], query=query, total=total)


@router.get("/unread-count")
async def count_unread(user: auth.CurrentUser, ports: Ports) -> schemas.Count:
    return schemas.Count(count=await ports.store.unread(user.id))


async def mark_all_read(user: auth.CurrentUser, ports: Ports, body: schemas.ReadAll | None = None) -> schemas.Updated:
    before = body.before if body is not None else None
    return schemas.Updated(updated=await flow.mark_all_read(user=user, before=before, ports=ports))


async def mark_read(id: str, user: auth.CurrentUser, ports: Ports) -> schemas.Notification:
    return schemas.Notification.of(await flow.mark_read(user_id=user.id, id=id, ports=ports))


for method in ("PUT", "PATCH"):  # both are the contract's; an operation id has to be unique
    router.add_api_route("/read-all", mark_all_read, methods=[method], name=f"mark_all_read_{method.lower()}")
    router.add_api_route(
        "/{id}/read",
        mark_read,
        methods=[method],
        name=f"mark_read_{method.lower()}",
        responses=errors.documented(errors.NotFound),
    )


@router.delete("/{id}", status_code=204, response_class=Response)
async def remove_notification(id: str, user: auth.CurrentUser, ports: Ports) -> None:
    await ports.store.remove(user.id, id)


@router.get("/preferences")
async def get_preferences(user: auth.CurrentUser, ports: Ports) -> schemas.Preferences:
    return schemas.Preferences.of(await ports.store.preferences(user.id))


@router.put("/preferences", responses=errors.documented(domain.CategoryLocked))
async def save_preferences(body: schemas.SavePreferences, user: auth.CurrentUser, ports: Ports) -> schemas.Preferences:
    preferences = body.to_domain()
    await ports.store.save_preferences(user.id, preferences)
    return schemas.Preferences.of(preferences)
