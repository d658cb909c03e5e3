"""Calls to auth, which owns the accounts."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from revcart.kit import auth, clock, http, pages
from revcart.user import domain


@dataclasses.dataclass(frozen=True, kw_only=True)
class AccountFilter:
    """Which accounts are wanted. `q`: beginning of name, e-mail or phone."""

    q: str | None = None
    role: domain.Role | None = None
    status: domain.Status | None = None
    ids: list[int] | None = None


class Accounts:
    """auth's `/internal/accounts`. Raises errors.Refused for its 4xx, DependencyUnavailable (503) when it is away."""

    def __init__(self, client: http.Client) -> None:
        self._client = client

    async def get(self, user_id: int) -> Mapping[str, Any]:
        """The account as auth writes it; `read` makes an Account of it."""
        answer = await self._client.call("auth", "GET", f"/internal/accounts/{user_id}")
        account: Mapping[str, Any] = answer.json()
        return account

    async def list(
        self,
        *,
        wanted: AccountFilter,
        query: pages.PageQuery,
    ) -> tuple[list[domain.Account], int]:
        """One page, and how many there are in all."""
        params: dict[str, object] = {
            "page": query.page,
            "size": query.size,
            "sort": [f"{field},{'desc' if descending else 'asc'}" for field, descending in query.sort],
        }
        params |= {name: value for name, value in dataclasses.asdict(wanted).items() if value is not None}
        page = (await self._client.call("auth", "GET", "/internal/accounts", params=params)).json()
        return [read(account) for account in page["content"]], page["totalElements"]

    async def invite(self, *, name: str, email: str, phone: str | None, role: domain.Role) -> domain.Account:
        body = {"name": name, "email": email, "phone": phone, "role": role}
        return read((await self._client.call("auth", "POST", "/internal/accounts", json=body)).json())

    async def change(self, user_id: int, *, name: str, phone: str | None) -> domain.Account:
        """Set the name, and the phone if given."""
        answer = await self._client.call(
            "auth", "PATCH", f"/internal/accounts/{user_id}", json={"name": name, "phone": phone}, idempotent=True
        )
        return read(answer.json())

    async def set(self, user_id: int, *, what: str, value: str, reason: str | None, actor: auth.User) -> domain.Account:
        """Set `role` or `status` in the name of the administrator `actor`."""
        path = f"/internal/accounts/{user_id}/{what}"
        body = {what: value, "reason": reason}
        return read((await self._client.call("auth", "PUT", path, json=body, acting_for=actor)).json())


def read(account: Mapping[str, Any]) -> domain.Account:
    """The Account of auth's JSON."""
    seen = account["lastLoginAt"]
    return domain.Account(
        id=account["id"],
        name=account["name"],
        email=account["email"],
        phone=account["phone"],
        role=account["role"],
        status=account["status"],
        email_verified=account["emailVerified"],
        created_at=clock.from_text(account["createdAt"]),
        last_login_at=clock.from_text(seen) if seen else None,
    )
