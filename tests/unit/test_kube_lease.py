"""At most one operator works: who holds the Lease, who waits for it, and who must stop."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests import api_server

from revcart.kit import clock
from revcart_operator.engine import errors
from revcart_operator.kube import lease


class World:
    def __init__(self, server: api_server.ApiServer) -> None:
        self.server = server
        self.clock = clock.Manual()
        self._to = server.connection(seconds=1.0)

    def lease(self, identity: str) -> lease.Lease:
        return lease.Lease(self._to, namespace="revcart-system", identity=identity, clock=self.clock)

    @property
    def spec(self) -> dict[str, object]:
        found: dict[str, object] = self.server.leases[lease.NAME]["spec"]
        return found

    async def close(self) -> None:
        await self._to.close()


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(lease, "TRY_SECONDS", 0.02)
    async with api_server.serving() as server:
        found = World(server)
        yield found
        await found.close()


async def test_the_first_one_takes_it_and_renews_it(world: World) -> None:
    first = world.lease("one")
    assert await first.attempt()
    taken = dict(world.spec)
    world.clock.advance(5)
    assert await first.attempt()
    assert world.spec["holderIdentity"] == "one"
    assert world.spec["acquireTime"] == taken["acquireTime"]
    assert world.spec["renewTime"] != taken["renewTime"]
    assert world.spec["leaseTransitions"] == 0


async def test_another_one_waits_until_the_holder_was_silent_for_as_long_as_it_promised(world: World) -> None:
    first, second = world.lease("one"), world.lease("two")
    assert await first.attempt()
    world.clock.advance(3600)  # the times of the holder's clock mean nothing
    assert not await second.attempt()
    world.clock.advance(lease.DURATION_SECONDS - 1)
    assert not await second.attempt()
    assert await first.attempt()  # it lives: the count begins anew
    world.clock.advance(lease.DURATION_SECONDS - 1)
    assert not await second.attempt()
    world.clock.advance(lease.DURATION_SECONDS + 1)
    assert await second.attempt()
    assert world.spec["leaseTransitions"] == 1
    assert not await first.attempt()


async def test_of_two_that_write_at_once_one_wins(world: World) -> None:
    await world.lease("gone").attempt()
    first, second = world.lease("one"), world.lease("two")
    assert not await first.attempt()
    assert not await second.attempt()
    world.clock.advance(lease.DURATION_SECONDS + 1)
    found = await asyncio.gather(first.attempt(), second.attempt(), return_exceptions=True)
    assert found.count(True) == 1
    assert any(it is False or isinstance(it, errors.Conflict) for it in found)


async def test_one_that_leaves_lets_the_next_begin_at_once(world: World) -> None:
    first, second = world.lease("one"), world.lease("two")
    assert await first.attempt()
    await first.release()
    assert await second.attempt()
    await first.release()
    assert world.spec["holderIdentity"] == "two", "only one's own is released"


async def test_whoever_lost_it_to_another_one_stops(world: World) -> None:
    first, second = world.lease("one"), world.lease("two")
    assert await first.attempt()
    assert not await second.attempt()
    world.clock.advance(lease.DURATION_SECONDS + 1)
    assert await second.attempt()
    async with asyncio.timeout(10):
        await first.keep()


async def test_whoever_cannot_renew_stops_before_another_one_may_begin(world: World) -> None:
    held = world.lease("one")
    assert await held.attempt()
    world.server.script = [api_server.refuses(500, "etcdserver: no leader")] * 10_000
    keeping = asyncio.create_task(held.keep())
    world.clock.advance(lease.DEADLINE_SECONDS - 1)
    await asyncio.sleep(0.2)
    assert not keeping.done()
    world.clock.advance(2)
    async with asyncio.timeout(10):
        await keeping
    assert lease.DEADLINE_SECONDS < lease.DURATION_SECONDS


async def test_a_server_that_does_not_answer_is_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lease.DEADLINE_SECONDS + lease.TRY_SECONDS + lease.ANSWER_SECONDS < lease.DURATION_SECONDS
    monkeypatch.setattr(lease, "ANSWER_SECONDS", 0.1)
    held = world.lease("one")
    assert await held.attempt()
    world.server.script = [api_server.hangs] * 100
    world.clock.advance(lease.DEADLINE_SECONDS + 1)
    async with asyncio.timeout(0.9):  # a request of this connection may take 1 s
        await held.keep()


async def test_one_that_slept_and_finds_it_still_its_own_goes_on(world: World) -> None:
    held = world.lease("one")
    assert await held.attempt()
    keeping = asyncio.create_task(held.keep())
    world.clock.advance(600)  # a laptop's lid, a stopped process: nobody took it in the meantime
    await asyncio.sleep(0.2)
    assert not keeping.done()
    keeping.cancel()


async def test_waiting_goes_on_while_the_server_is_away(world: World) -> None:
    held = world.lease("one")
    world.server.script = [api_server.refuses(503, "starting"), api_server.drops, api_server.refuses(403, "no")]
    async with asyncio.timeout(10):
        await held.acquire()
    assert held.answered
