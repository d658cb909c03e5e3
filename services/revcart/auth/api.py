"""`/api/auth`: signing in and out, and one's sessions. Recovery and proof of e-mail are in `api_credentials`."""

import ipaddress
from typing import Annotated

from fastapi import Depends, Request, Response

from revcart.auth import domain, flow, registration, schemas
from revcart.kit import asgi, auth, errors

COOKIE = "revcart_refresh"
_COOKIE_PATH = "/api/auth"

router = asgi.router(prefix="/api/auth", tags=["auth"])
Ports = Annotated[flow.Ports, Depends(asgi.ports)]


def _client(request: Request) -> domain.Client:
    """Where the request comes from: the gateway's word for it, else the connection's."""
    forwarded = request.headers.get("x-forwarded-for", "").partition(",")[0].strip()
    peer = request.client.host if request.client else ""
    try:
        ip: str | None = str(ipaddress.ip_address(forwarded or peer))
    except ValueError:
        ip = None
    agent = "".join(filter(str.isprintable, request.headers.get("user-agent", "")))[:255]
    return domain.Client(ip=ip, user_agent=agent or None)


Client = Annotated[domain.Client, Depends(_client)]


class _IfStillIn(auth.MaybeUser):
    """The caller, or None: whoever leaves may come with a token that no longer holds."""

    async def __call__(self, request: Request) -> auth.User | None:
        try:
            return await super().__call__(request)
        except errors.Unauthenticated:
            return None


IfStillIn = Annotated[auth.User | None, Depends(_IfStillIn())]


@router.post(
    "/login",
    responses=errors.documented(
        domain.BadCredentials, domain.AccountLocked, domain.AccountBlocked, domain.EmailUnverified
    ),
)
async def login(
    body: schemas.Login, client: Client, request: Request, response: Response, ports: Ports
) -> schemas.Session:
    signed_in = await flow.login(email=body.email, password=body.password, client=client, ports=ports)
    return _session(signed_in, in_cookie=body.cookie, request=request, response=response)


@router.post("/signup", status_code=201, responses=errors.documented(domain.EmailTaken))
async def signup(
    body: schemas.Signup, client: Client, request: Request, response: Response, ports: Ports
) -> schemas.Session:
    new = domain.NewAccount(name=body.name, email=body.email, phone=body.phone)
    signed_in = await registration.signup(new=new, password=body.password, client=client, ports=ports)
    return _session(signed_in, in_cookie=body.cookie, request=request, response=response)


@router.post(
    "/refresh",
    responses=errors.documented(domain.RefreshInvalid, domain.RefreshExpired, domain.RefreshReused, errors.Forbidden),
)
async def refresh(
    request: Request, response: Response, ports: Ports, body: schemas.Refresh | None = None
) -> schemas.Session:
    sent, in_cookie = _refresh_token(request, sent=body.refresh_token if body else None)
    if sent is None:
        raise domain.RefreshInvalid
    signed_in = await flow.refresh(refresh_token=sent, ports=ports)
    wants_cookie = in_cookie or (body is not None and body.cookie)
    return _session(signed_in, in_cookie=wants_cookie, request=request, response=response)


@router.post("/logout", status_code=204, responses=errors.documented(errors.Forbidden))
async def logout(
    request: Request, response: Response, user: IfStillIn, ports: Ports, body: schemas.Logout | None = None
) -> None:
    sent, _ = _refresh_token(request, sent=body.refresh_token if body else None)
    await flow.logout(refresh_token=sent, user=user, ports=ports)
    response.delete_cookie(COOKIE, path=_COOKIE_PATH)


@router.post("/logout-all", status_code=204)
async def logout_all(user: auth.CurrentUser, ports: Ports) -> None:
    await flow.logout_everywhere(user=user, ports=ports)


@router.get("/me")
async def me(user: auth.CurrentUser, ports: Ports) -> schemas.Me:
    return schemas.Me.model_validate(await flow.me(user=user, ports=ports))


@router.get("/sessions")
async def list_sessions(user: auth.CurrentUser, ports: Ports) -> list[schemas.Device]:
    sessions = await flow.list_sessions(user=user, ports=ports)
    return [schemas.Device.of(session, current=user.sid) for session in sessions]


@router.delete("/sessions/{sid}", status_code=204)
async def end_session(sid: str, user: auth.CurrentUser, ports: Ports) -> None:
    await flow.end_session(sid=sid, user=user, ports=ports)


@router.get("/jwks")
async def jwks(response: Response, ports: Ports) -> schemas.Jwks:
    response.headers["Cache-Control"] = "public, max-age=300"
    return schemas.Jwks.model_validate({"keys": await ports.keyring.published()})


def _refresh_token(request: Request, *, sent: str | None) -> tuple[str | None, bool]:
    """The refresh token, and whether the cookie brought it. Raises Forbidden (403) when only the cookie could have
    come along by itself: a form of another site cannot set `X-Requested-With`."""
    if sent is not None or COOKIE not in request.cookies:
        return sent, False
    if request.headers.get("x-requested-with") != "RevCart":
        raise errors.Forbidden("With the cookie send X-Requested-With: RevCart.")
    return request.cookies[COOKIE], True


def _session(signed_in: domain.SignedIn, *, in_cookie: bool, request: Request, response: Response) -> schemas.Session:
    in_cookie = in_cookie and signed_in.refresh_token is not None
    if in_cookie:
        response.set_cookie(
            COOKIE,
            signed_in.refresh_token or "",
            max_age=signed_in.refresh_expires_in,
            path=_COOKIE_PATH,
            secure=request.app.state.settings.environment != "development",
            httponly=True,
            samesite="strict",
        )
    return schemas.Session.of(signed_in, in_cookie=in_cookie)
