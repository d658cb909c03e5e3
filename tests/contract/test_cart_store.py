"""The cart store, on the cache's double and, where REVCART_TEST_REDIS_URL names one, on Redis."""

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator

import pytest

from revcart.cart import domain, store
from revcart.kit import cache, cache_memory, clock, events, ids, telemetry

SECONDS = 86_400
MILK = domain.Product(
    name="Milk",
    category="dairy",
    image_url=None,
    unit="ML",
    pack_size=500,
    price_paise=2_600,
    available=100,
    max_per_order=20,
    active=True,
)


@dataclasses.dataclass
class Carts:
    """The store, and what moves its time. On Redis a day is two seconds."""

    kept: store.Store
    clock: clock.Manual | None

    def owner(self) -> domain.Owner:
        return domain.Owner(session=ids.token("gs_", bits=192))

    async def wait(self, share: float) -> None:
        """This share of a cart's life."""
        if self.clock is not None:
            self.clock.advance(share * SECONDS)
        else:
            await asyncio.sleep(share * 2)

    async def add(self, owner: domain.Owner, product_id: int = 1, quantity: int = 1) -> store.Written | store.Refusal:
        return await self.kept.add(owner, product_id=product_id, quantity=quantity, substitution=None, product=MILK)


@pytest.fixture(params=["memory", "redis"])
async def carts(request: pytest.FixtureRequest) -> AsyncIterator[Carts]:
    url = os.environ.get("REVCART_TEST_REDIS_URL")
    is_memory = request.param == "memory"
    if not is_memory and not url:
        pytest.skip("set REVCART_TEST_REDIS_URL to test on Redis")
    time = clock.Manual()
    memory = cache_memory.Memory(None, clock=time)
    opened = cache.connect("memory://" if is_memory else str(url), memory=memory, metrics=telemetry.Metrics("test"))
    await opened.open()
    yield Carts(
        kept=store.Store(opened, clock=time if is_memory else clock.System(), seconds=SECONDS if is_memory else 2),
        clock=time if is_memory else None,
    )
    await opened.close()
    await memory.close()


@pytest.mark.regression("R22")
async def test_r22_one_line_per_product(carts: Carts) -> None:
    owner = carts.owner()
    await carts.add(owner, product_id=2)
    answers = await asyncio.gather(*(carts.add(owner, product_id=1) for _ in range(15)))
    assert {answer.after for answer in answers if isinstance(answer, store.Written)} == set(range(1, 16))
    cart = await carts.kept.get(owner)
    assert [(line.product_id, line.quantity) for line in cart.lines] in ([(2, 1), (1, 15)], [(1, 15), (2, 1)])
    assert cart.version == 16
    answers = await asyncio.gather(*(carts.add(owner, product_id=1) for _ in range(10)))
    assert sum(isinstance(answer, store.Written) for answer in answers) == 5
    assert (await carts.kept.get(owner)).quantity == 21


@pytest.mark.regression("R23")
async def test_r23_cart_expires(carts: Carts) -> None:
    owner = carts.owner()
    await carts.add(owner)
    await carts.wait(0.6)
    await carts.add(owner)  # a write prolongs
    await carts.wait(0.6)
    cart = await carts.kept.get(owner)
    assert cart.quantity == 2
    assert cart.updated_at is not None
    assert carts.kept.expires_at(cart) is not None
    await carts.wait(0.45)  # the read just now did not
    assert await carts.kept.get(owner) == domain.Cart()


async def test_what_is_written_is_read(carts: Carts) -> None:
    owner = carts.owner()
    await carts.kept.add(owner, product_id=9_007_199_254_740_991, quantity=2, substitution="CONTACT_ME", product=MILK)
    coupon = domain.Coupon(
        code="TEN",
        description="Zehn „Prozent“",
        discount_type="FIXED",
        discount_value=1_000,
        min_order_paise=0,
        max_discount_paise=None,
        valid_until=clock.from_text("2099-01-01T00:00:00Z"),
    )
    await carts.kept.set_coupon(owner, coupon)
    cart = await carts.kept.get(owner)
    assert cart.coupon == coupon
    (line,) = cart.lines
    assert (line.product_id, line.quantity, line.substitution) == (9_007_199_254_740_991, 2, "CONTACT_ME")
    assert (line.price_when_added_paise, line.known) == (2_600, MILK)


async def test_a_merge_counts_once_however_often_it_comes(carts: Carts) -> None:
    user, guest = domain.Owner(user_id=int(ids.uuid7()[:8], 16)), carts.owner()
    await carts.add(user, quantity=2)
    await carts.add(guest, quantity=3)
    theirs = await carts.kept.get(guest)
    assert guest.session is not None
    answers = await asyncio.gather(
        *(carts.kept.merge(user, session=guest.session, guest=theirs, offered={1: MILK}) for _ in range(5))
    )
    assert sum(isinstance(answer, store.Written) for answer in answers) == 1
    assert (await carts.kept.get(user)).quantity == 5
    await carts.kept.drop(user)


async def test_an_order_is_taken_out_once(carts: Carts) -> None:
    owner, event = carts.owner(), ids.uuid7()
    await carts.add(owner, product_id=1, quantity=5)
    await carts.add(owner, product_id=2, quantity=1)
    await carts.kept.take(owner, event_id=event, quantities={1: 2, 2: 1, 3: 1}, coupon_code=None)
    cart = await carts.kept.get(owner)
    assert [(line.product_id, line.quantity) for line in cart.lines] == [(1, 3)]
    with pytest.raises(events.Repeated):
        await carts.kept.take(owner, event_id=event, quantities={1: 2}, coupon_code=None)
    await carts.kept.take(owner, event_id=ids.uuid7(), quantities={1: 9}, coupon_code=None)
    assert (await carts.kept.get(owner)).lines == ()


async def test_a_cleared_cart_keeps_counting_its_versions(carts: Carts) -> None:
    owner = carts.owner()
    assert isinstance(await carts.kept.clear(owner), store.Refusal)
    await carts.add(owner, quantity=3)
    cleared = await carts.kept.clear(owner)
    assert isinstance(cleared, store.Written)
    assert (cleared.before, cleared.after) == (3, 0)
    assert ((await carts.kept.get(owner)).lines, (await carts.kept.get(owner)).version) == ((), 2)
