"""The documentation pages, all that the gateway answers itself under `/api`."""

import base64
import functools
import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

import jinja2
from fastapi import Depends, Request, Response

from revcart.gateway import documentation
from revcart.kit import asgi

router = asgi.router(prefix="/api", tags=["gateway"])
Docs = Annotated[documentation.Documentation, Depends(asgi.ports)]


@router.get("/openapi.json", include_in_schema=False)
async def whole_api(request: Request, docs: Docs) -> Response:
    return _document(request, await docs.merged())


@router.get("/docs/{service}.json", include_in_schema=False)
async def one_api(request: Request, service: str, docs: Docs) -> Response:
    return _document(request, await docs.of(service))


@router.get("/docs", include_in_schema=False)
@asgi.produces("text/html")
async def page(docs: Docs) -> Response:
    html = _template().render(document=await docs.merged(), methods=documentation.METHODS, style=_style())
    style = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{style}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
    return Response(html, media_type="text/html", headers={"Content-Security-Policy": policy})


def _document(request: Request, document: dict[str, Any]) -> Response:
    tag = documentation.etag(document)
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(json.dumps(document, ensure_ascii=False), media_type="application/json", headers=headers)


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True)
    return environment.get_template("docs.html")


@functools.cache
def _style() -> str:
    return (Path(__file__).parent / "docs.css").read_text()
