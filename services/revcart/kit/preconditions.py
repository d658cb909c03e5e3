"""Strong ETags over a `version` field: 304 for readers, 412 and 428 for writers (RFC 9110, section 13)."""

from typing import Annotated

from fastapi import Header, Request, Response

from revcart.kit import errors


def etag(version: int | str) -> str:
    """The strong entity tag of a version."""
    return f'"{version}"'


def unchanged(request: Request, tag: str) -> bool:
    """Whether `If-None-Match` names `tag` (weak comparison, as the RFC asks for reading)."""
    sent = request.headers.get("if-none-match", "")
    candidates = {candidate.strip().removeprefix("W/") for candidate in sent.split(",")}
    return "*" in candidates or tag in candidates


def not_modified(tag: str, *, cache_control: str | None = None) -> Response:
    """The 304 answer."""
    headers = {"ETag": tag} | ({"Cache-Control": cache_control} if cache_control else {})
    return Response(status_code=304, headers=headers)


def _if_match(if_match: Annotated[str | None, Header(alias="If-Match")] = None) -> int:
    """The version that the writer has seen. Raises PreconditionMissing (428) when absent or `*`."""
    if if_match is None or if_match.strip() == "*":
        raise errors.PreconditionMissing("Send If-Match with the ETag that you read; * is not taken.")
    value = if_match.strip().strip('"')
    # isdecimal alone takes other scripts' digits, and int() would take them too: an ETag of ours is ASCII.
    if not (value.isascii() and value.isdecimal() and len(value) <= 18):
        raise errors.PreconditionFailed("It was changed since you read it; read it again.")
    return int(value)


IfMatch = _if_match


def check(*, seen: int, version: int) -> None:
    """Raises PreconditionFailed (412) unless the version that was `seen` is the present one."""
    if seen != version:
        raise errors.PreconditionFailed("It was changed since you read it; read it again.")
