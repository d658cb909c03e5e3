"""How a request is read: HTTP Basic `key_id:key_secret`, a JSON object, and list queries, with Razorpay's refusals."""

import base64
import binascii
import json
import secrets
from typing import Annotated

from fastapi import Depends, Request

from revcart.paysim import domain, flow, store


def _ports(request: Request) -> flow.Ports:
    ports: flow.Ports = request.app.state.ports
    return ports


Ports = Annotated[flow.Ports, Depends(_ports)]


def authenticate(request: Request) -> None:
    """Raises Refused (401) unless the key and its secret are the account's; an empty secret opens nothing."""
    settings = request.app.state.settings
    refused = domain.Refused("Authentication failed", status=401, reason="authentication_failed")
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(credentials, validate=True)
    except binascii.Error:
        raise refused from None
    expected = f"{settings.key_id}:{settings.key_secret}".encode()
    if scheme.lower() != "basic" or not settings.key_secret or not secrets.compare_digest(given, expected):
        raise refused


async def body(request: Request) -> domain.Entity:
    raw = await request.body()
    if not raw:
        return {}
    try:
        content = json.loads(raw)
    except ValueError:
        raise domain.Refused("The request body is not valid JSON.") from None
    if not isinstance(content, dict):
        raise domain.Refused("The request body must be a JSON object.")
    return content


Body = Annotated[domain.Entity, Depends(body)]


def _whole(request: Request, name: str, *, least: int = 0) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.lstrip("-").isdigit() or len(text) > 12:
        raise domain.Refused(f"The {name} must be an integer.", field=name)
    if int(text) < least:
        raise domain.Refused(f"The {name} must be at least {least}.", field=name)
    return int(text)


def selection(request: Request) -> store.Selection:
    """`from`, `to`, `count` (at most 100), `skip`, `receipt`, `authorized` of a list."""
    count = _whole(request, "count", least=1)
    if count is not None and count > domain.LIST_LIMIT:
        raise domain.Refused(f"The count may not be greater than {domain.LIST_LIMIT}.", field="count")
    authorized = _whole(request, "authorized")
    return store.Selection(
        receipt=request.query_params.get("receipt"),
        since=_whole(request, "from"),
        until=_whole(request, "to"),
        authorized=None if authorized is None else authorized == 1,
        skip=_whole(request, "skip") or 0,
        count=count or domain.LIST_DEFAULT,
    )


Selection = Annotated[store.Selection, Depends(selection)]


def collection(entities: list[domain.Entity]) -> domain.Entity:
    return {"entity": "collection", "count": len(entities), "items": entities}
