"""Password hashing under load, and with what no bcrypt takes."""

import asyncio
import os

import pytest

from revcart.auth import passwords
from revcart.kit import errors


async def test_too_many_at_once_are_sent_away() -> None:
    hashing = passwords.Passwords(rounds=4)
    room = (os.cpu_count() or 1) + passwords.WAITING
    results = await asyncio.gather(*(hashing.hash("password") for _ in range(room + 10)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, errors.DependencyUnavailable)]
    assert len(refused) == 10
    assert await hashing.matches("password", await hashing.hash("password")), "and then there is room again"


@pytest.mark.parametrize("password", ["x" * 73, "\N{GRINNING FACE}" * 128, ""])
async def test_no_password_breaks_it(password: str) -> None:
    hashing = passwords.Passwords(rounds=4)
    assert not await hashing.matches(password, await hashing.hash("something"))
    assert not await hashing.matches(password, None)
