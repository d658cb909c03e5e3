"""The dependencies that guard endpoints: who gets in, and what the others are told."""

from typing import Annotated, Any

import fastapi
import httpx2
import pytest

from revcart.kit import auth, errors, settings, testing


class Counting(auth.Verifier):
    """Counts how often a user token is checked."""

    checks = 0

    async def user(self, token: str) -> auth.User:
        self.checks += 1
        return await super().user(token)


@pytest.fixture
def identity() -> testing.Identity:
    return testing.Identity()


@pytest.fixture
def app(identity: testing.Identity) -> fastapi.FastAPI:
    made = fastapi.FastAPI()
    made.state.verifier = Counting(settings=testing.settings(settings.Settings, service="order"), keys=identity.keys)

    @made.exception_handler(errors.RevCartError)
    async def refuse(request: fastapi.Request, error: errors.RevCartError) -> fastapi.Response:
        return fastapi.responses.JSONResponse({"code": error.code}, error.status, error.headers())

    @made.get("/user")
    async def user(user: auth.CurrentUser) -> int:
        return user.id

    @made.get("/maybe")
    async def maybe(user: auth.OptionalUser) -> int | None:
        return user.id if user else None

    @made.get("/admin")
    async def admin(user: auth.Admin) -> int:
        return user.id

    @made.get("/staff")
    async def staff(user: auth.Staff, again: auth.CurrentUser) -> bool:
        return user is again

    @made.get("/internal")
    async def internal(caller: Annotated[auth.Caller, fastapi.Depends(auth.service("cart", "user"))]) -> str:
        return caller.service

    return made


async def get(app: fastapi.FastAPI, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as client:
        answer = await client.get(path, headers=headers)
    body = answer.json()
    return answer.status_code, body["code"] if isinstance(body, dict) else body


async def test_roles(app: fastapi.FastAPI, identity: testing.Identity) -> None:
    assert await get(app, "/user", identity.headers(user_id=7)) == (200, 7)
    assert await get(app, "/admin", identity.headers(role="CUSTOMER")) == (403, "auth.forbidden")
    assert await get(app, "/admin", identity.headers(role="DELIVERY_AGENT")) == (403, "auth.forbidden")
    assert await get(app, "/admin", identity.headers(user_id=1, role="ADMIN")) == (200, 1)


@pytest.mark.parametrize("path", ["/user", "/admin", "/internal"])
async def test_nothing_and_nonsense(app: fastapi.FastAPI, path: str) -> None:
    assert await get(app, path) == (401, "auth.token-missing")
    for value in ("Basic YTpi", "Bearer", "Bearer x", "token", "Bearer a.b.c"):
        assert await get(app, path, {"Authorization": value}) == (401, "auth.token-invalid")


async def test_a_bad_token_is_not_the_same_as_none(app: fastapi.FastAPI, identity: testing.Identity) -> None:
    assert await get(app, "/maybe") == (200, None)
    assert await get(app, "/maybe", identity.headers(user_id=7)) == (200, 7)
    assert await get(app, "/maybe", {"Authorization": "Bearer x"}) == (401, "auth.token-invalid")


async def test_each_kind_of_token_opens_its_own_doors(app: fastapi.FastAPI, identity: testing.Identity) -> None:
    assert await get(app, "/internal", identity.service_headers("cart", callee="order")) == (200, "cart")
    assert await get(app, "/internal", identity.service_headers("payment", callee="order")) == (403, "auth.forbidden")
    assert await get(app, "/internal", identity.service_headers("cart", callee="user")) == (401, "auth.token-invalid")
    assert await get(app, "/internal", identity.headers(role="ADMIN")) == (401, "auth.token-invalid")
    assert await get(app, "/user", identity.service_headers("cart", callee="order")) == (401, "auth.token-invalid")


async def test_a_request_is_checked_once(app: fastapi.FastAPI, identity: testing.Identity) -> None:
    assert await get(app, "/staff", identity.headers(role="ADMIN")) == (200, True)
    assert app.state.verifier.checks == 1


def test_the_document_names_both_kinds(app: fastapi.FastAPI) -> None:
    document = app.openapi()
    assert set(document["components"]["securitySchemes"]) == {"userToken", "serviceToken"}
    assert document["paths"]["/internal"]["get"]["security"] == [{"serviceToken": []}]
