"""`/internal/accounts`: what the user service may ask, and the key rotation on demand."""

from typing import Annotated

from fastapi import Depends, Path, Query

from revcart.auth import administration, domain, flow, schemas, store
from revcart.kit import asgi, auth, errors, pages, tokens
from revcart.kit import schemas as kit_schemas

router = asgi.router(prefix="/internal", tags=["internal"])
Ports = Annotated[flow.Ports, Depends(asgi.ports)]
User = Annotated[auth.Caller, Depends(auth.service("user"))]
AccountId = Annotated[int, Path(alias="id", ge=1, le=tokens.LARGEST_ID)]
Query_ = Annotated[pages.PageQuery, Depends(pages.query("id", "name", "email", "createdAt", default="createdAt,desc"))]
_CHANGE = errors.documented(domain.LastAdmin, domain.OwnRole)


@router.get("/accounts")
async def list_accounts(
    caller: User,
    ports: Ports,
    query: Query_,
    q: Annotated[str | None, Query(max_length=100)] = None,
    role: tokens.Role | None = None,
    status: domain.Status | None = None,
    ids: Annotated[list[kit_schemas.Id] | None, Query(max_length=100)] = None,
) -> pages.Page[schemas.Account]:
    wanted = store.AccountFilter(q=q, role=role, status=status, ids=ids)
    found, total = await administration.list_accounts(wanted=wanted, query=query, ports=ports)
    return pages.of(content=[schemas.Account.of(account) for account in found], query=query, total=total)


@router.post("/accounts", status_code=201, responses=errors.documented(domain.EmailTaken))
async def create_account(body: schemas.NewAccount, caller: User, ports: Ports) -> schemas.Account:
    new = domain.NewAccount(name=body.name, email=body.email, phone=body.phone, role=body.role)
    return schemas.Account.of(await administration.invite(new=new, ports=ports))


@router.get("/accounts/{id}")
async def get_account(account_id: AccountId, caller: User, ports: Ports) -> schemas.Account:
    return schemas.Account.of(await administration.get_account(account_id=account_id, ports=ports))


@router.patch("/accounts/{id}")
async def change_account(
    account_id: AccountId, body: schemas.AccountPatch, caller: User, ports: Ports
) -> schemas.Account:
    return schemas.Account.of(
        await administration.change_account(account_id=account_id, name=body.name, phone=body.phone, ports=ports)
    )


@router.put("/accounts/{id}/role", responses=_CHANGE)
async def change_role(account_id: AccountId, body: schemas.RoleChange, caller: User, ports: Ports) -> schemas.Account:
    return schemas.Account.of(
        await administration.change_role(
            account_id=account_id, role=body.role, reason=body.reason, actor=caller.acting_for, ports=ports
        )
    )


@router.put("/accounts/{id}/status", responses=_CHANGE)
async def change_status(
    account_id: AccountId, body: schemas.StatusChange, caller: User, ports: Ports
) -> schemas.Account:
    return schemas.Account.of(
        await administration.change_status(
            account_id=account_id, status=body.status, reason=body.reason, actor=caller.acting_for, ports=ports
        )
    )


@router.post(
    "/accounts/{id}/password-check",
    status_code=204,
    responses=errors.documented(domain.BadCredentials, domain.AccountLocked),
)
async def check_password(account_id: AccountId, body: schemas.PasswordCheck, caller: User, ports: Ports) -> None:
    await administration.check_password(account_id=account_id, password=body.password, ports=ports)


@router.post("/keys/rotate", status_code=202)
async def rotate_keys(caller: Annotated[auth.Caller, Depends(auth.service("auth"))], ports: Ports) -> None:
    await ports.keyring.rotate(now_due=True)
