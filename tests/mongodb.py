"""The document databases of tests: SQLite files, or, with REVCART_TEST_DOCUMENTS=mongodb, new ones on a MongoDB server.

The server is named by REVCART_TEST_MONGODB_URL (mongodb://host:port). What was made is dropped at the end.
"""

import asyncio
import atexit
import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pymongo
import pytest

_made: dict[tuple[str, Path | None], str] = {}


def server() -> str:
    """The server's address, `mongodb://host:port`; without one the test is skipped by name."""
    url = os.environ.get("REVCART_TEST_MONGODB_URL")
    if not url:
        pytest.skip("set REVCART_TEST_MONGODB_URL (mongodb://host:port) to test on MongoDB")
    return url.rstrip("/")


def url(service: str, folder: Path | None = None) -> str:
    """The documents of a service in a flow test; the same ones for the same folder."""
    if os.environ.get("REVCART_TEST_DOCUMENTS", "sqlite") == "sqlite":
        return f"sqlite-documents:///{folder / f'{service}.db'}" if folder else "sqlite-documents://"
    if (service, folder) not in _made or folder is None:
        _made[service, folder] = made = _new()
        atexit.register(_drop, made)
    return _made[service, folder]


@contextlib.asynccontextmanager
async def database() -> AsyncIterator[str]:
    """URL of an empty database, which goes with the block."""
    made = _new()
    yield made
    await asyncio.to_thread(_drop, made)


def _new() -> str:
    return f"{server()}/revcart_test_{secrets.token_hex(6)}"


def _drop(url: str) -> None:
    with pymongo.MongoClient[dict[str, object]](url, timeoutMS=5000) as client:
        client.drop_database(client.get_default_database().name)


def stored(url: str) -> bytes:
    """Every document of a database, as its own client reads it; nothing where it is a file."""
    if not url.startswith("mongodb"):
        return b""
    with pymongo.MongoClient[dict[str, object]](url, timeoutMS=5000) as client:
        database = client.get_default_database()
        return repr([list(database[name].find()) for name in database.list_collection_names()]).encode()


def is_ferretdb(url: str) -> bool:
    """Whether the server is FerretDB, which lacks some of what MongoDB does."""
    with pymongo.MongoClient[dict[str, object]](url, timeoutMS=5000) as client:
        return any("ferretdb" in name.lower() for name in client.server_info())
