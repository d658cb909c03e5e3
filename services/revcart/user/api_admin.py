"""`/api/users` for administrators. Comes after `api`: its `/{id}` must not take the fixed paths."""

from typing import Annotated

from fastapi import Depends, Path, Query

from revcart.kit import asgi, auth, errors, pages, tokens
from revcart.kit import schemas as kit_schemas
from revcart.user import administration, clients, domain, flow, schemas

router = asgi.router(prefix="/api/users", tags=["user"])
Ports = Annotated[flow.Ports, Depends(asgi.ports)]
UserId = Annotated[int, Path(alias="id", ge=1, le=tokens.LARGEST_ID)]
Paging = Annotated[pages.PageQuery, Depends(pages.query("id", "name", "email", "createdAt", default="createdAt,desc"))]
_CHANGE = errors.documented(domain.LastAdmin, domain.OwnRole)


@router.get("")
async def list_users(
    user: auth.Admin,
    ports: Ports,
    query: Paging,
    q: Annotated[str | None, Query(max_length=100)] = None,
    role: tokens.Role | None = None,
    status: domain.Status | None = None,
    ids: Annotated[list[kit_schemas.Id] | None, Query(max_length=100)] = None,
) -> pages.Page[schemas.ListedUser]:
    wanted = clients.AccountFilter(q=q, role=role, status=status, ids=ids)
    found, total = await administration.list_users(wanted=wanted, query=query, ports=ports)
    return pages.of(content=[schemas.ListedUser.of(listed) for listed in found], query=query, total=total)


@router.post("", status_code=201, responses=errors.documented(domain.EmailTaken))
async def create_user(body: schemas.NewUser, user: auth.Admin, ports: Ports) -> schemas.Account:
    return schemas.Account.model_validate(
        await administration.invite(name=body.name, email=body.email, phone=body.phone, role=body.role, ports=ports)
    )


@router.get("/count")
async def count_users(user: auth.Admin, ports: Ports, role: tokens.Role | None = None) -> schemas.Count:
    return schemas.Count(count=await administration.count_users(role=role, ports=ports))


@router.get("/{id}")
async def get_user(user_id: UserId, user: auth.CurrentUser, ports: Ports) -> schemas.DetailedUser:
    return schemas.DetailedUser.of(await administration.get_user(user_id=user_id, caller=user, ports=ports))


@router.put("/{id}/role", responses=_CHANGE)
async def change_role(user_id: UserId, body: schemas.ChangeRole, user: auth.Admin, ports: Ports) -> schemas.Account:
    return schemas.Account.model_validate(
        await administration.change(
            user_id=user_id, what="role", value=body.role, reason=body.reason, actor=user, ports=ports
        )
    )


@router.put("/{id}/status", responses=_CHANGE)
async def change_status(user_id: UserId, body: schemas.ChangeStatus, user: auth.Admin, ports: Ports) -> schemas.Account:
    return schemas.Account.model_validate(
        await administration.change(
            user_id=user_id, what="status", value=body.status, reason=body.reason, actor=user, ports=ports
        )
    )
