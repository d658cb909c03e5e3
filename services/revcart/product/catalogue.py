"""Changing the catalogue: what an administrator does to products and categories, and what is there at first start."""

import asyncio
import datetime as dt

from revcart.kit import auth, errors, preconditions
from revcart.product import demo, domain, flow, once, pictures, reservations, schemas, stock, store
from revcart.product.demo import paint

PAINT_PAUSE_SECONDS = 0.2  # between two demo pictures: they must not slow the shop down


async def create_product(
    *,
    details: domain.Details,
    on_hand: int,
    user: auth.User,
    key: once.Key | None,
    ports: flow.Ports,
) -> once.Made:
    """Raises SkuTaken (409), CategoryUnknown (422)."""
    async with once.claimed(key, user=user, route="POST /api/products", ports=ports) as claim:
        if (kept := once.replay_of(claim)) is not None:
            return kept
        async with ports.store.transaction() as tx:
            product_id = await add(tx, details=details, on_hand=on_hand, actor=f"user:{user.id}", now=ports.clock.now())
            made = await tx.products.get(product_id)
            assert made is not None
            body = schemas.Product.of(flow.Shown(product=made, available=on_hand)).model_dump(
                mode="json", by_alias=True
            )
            if claim is not None:
                await tx.idempotency.keep(claim, status=201, body=body)
        await ports.shelf.changed(product_id)
        return once.Made(status=201, body=body)


async def add(tx: store.Transaction, *, details: domain.Details, on_hand: int, actor: str, now: dt.datetime) -> int:
    """The step of `create_product`, within a transaction; the new id."""
    category = await _category_of(tx, details)
    product_id = await tx.products.add(details, category_id=category.id, now=now)
    first = reservations.Movement(product_id=product_id, on_hand=on_hand, reserved=0, kind="INITIAL", actor=actor)
    await tx.stock.move(first, now=now)
    await stock.tell_low(tx, [product_id], now=now)
    return product_id


async def change(tx: store.Transaction, product_id: int, *, details: domain.Details, now: dt.datetime) -> None:
    """The step of `change_product`, within a transaction that holds the product."""
    category = await _category_of(tx, details)
    await tx.products.change(product_id, details, category_id=category.id, now=now)
    await stock.tell_low(tx, [product_id], now=now)


async def _category_of(tx: store.Transaction, details: domain.Details) -> domain.Category:
    category = await tx.categories.get(details.category)
    if category is None:
        item = errors.Item("#/category", "unknown")
        raise domain.CategoryUnknown(f"There is no category {details.category}.", items=[item])
    return category


async def change_product(
    *,
    product_id: int,
    details: domain.Details,
    seen_version: int,
    ports: flow.Ports,
) -> flow.Shown:
    """Replace what is said about a product. Raises NotFound, SkuTaken, PreconditionFailed, CategoryUnknown."""
    async with ports.store.transaction() as tx:
        await _seen(tx, product_id=product_id, version=seen_version)
        await change(tx, product_id, details=details, now=ports.clock.now())
    return await _changed(product_id, ports=ports)


async def retire_product(*, product_id: int, seen_version: int, ports: flow.Ports) -> None:
    """Take a product off the shop; its history stays. Raises NotFound, PreconditionFailed."""
    async with ports.store.transaction() as tx:
        await _seen(tx, product_id=product_id, version=seen_version)
        await tx.products.set_active(product_id, False, now=ports.clock.now())
    await ports.shelf.changed(product_id)


async def set_active(*, product_id: int, active: bool, ports: flow.Ports) -> flow.Shown:
    """Offer a product, or take it off. Raises NotFound."""
    async with ports.store.transaction() as tx:
        if await tx.products.get(product_id, lock=True) is None:
            raise errors.NotFound
        await tx.products.set_active(product_id, active, now=ports.clock.now())
    return await _changed(product_id, ports=ports)


async def _seen(tx: store.Transaction, *, product_id: int, version: int) -> None:
    product = await tx.products.get(product_id, lock=True)
    if product is None:
        raise errors.NotFound
    preconditions.check(seen=version, version=product.version)


async def _changed(product_id: int, *, ports: flow.Ports) -> flow.Shown:
    await ports.shelf.changed(product_id)
    return await flow.get_product(product_id=product_id, include_inactive=True, ports=ports)


async def create_category(*, slug: str, details: domain.CategoryDetails, ports: flow.Ports) -> domain.Category:
    """Raises SlugTaken (409)."""
    async with ports.store.transaction() as tx:
        await tx.categories.add(slug, details)
    return await _category_changed(slug, ports=ports)


async def change_category(
    *,
    slug: str,
    details: domain.CategoryDetails,
    seen_version: int,
    ports: flow.Ports,
) -> domain.Category:
    """Raises NotFound, PreconditionFailed. The slug never changes."""
    async with ports.store.transaction() as tx:
        await _category_seen(tx, slug=slug, version=seen_version)
        await tx.categories.change(slug, details)
    return await _category_changed(slug, ports=ports)


async def remove_category(*, slug: str, seen_version: int, ports: flow.Ports) -> None:
    """Raises NotFound, CategoryNotEmpty (409), PreconditionFailed."""
    async with ports.store.transaction() as tx:
        category = await _category_seen(tx, slug=slug, version=seen_version)
        await tx.categories.remove(category.id)
    await ports.shelf.changed()


async def _category_seen(tx: store.Transaction, *, slug: str, version: int) -> domain.Category:
    category = await tx.categories.get(slug, lock=True)
    if category is None:
        raise errors.NotFound
    preconditions.check(seen=version, version=category.version)
    return category


async def _category_changed(slug: str, *, ports: flow.Ports) -> domain.Category:
    await ports.shelf.changed()
    return await flow.get_category(slug=slug, include_inactive=True, ports=ports)


async def prepare(*, ports: flow.Ports) -> None:
    """First start: the eight categories, and the demo products where they are wanted."""
    async with ports.store.transaction() as tx:
        if await tx.categories.all():
            return
        for position, (slug, name) in enumerate(demo.CATEGORIES):
            details = domain.CategoryDetails(name=name, position=position, image_url=None, active=True)
            await tx.categories.add(slug, details)
        if ports.demo:
            for product in demo.catalogue():
                await _add_demo(tx, product, now=ports.clock.now())
    await ports.shelf.changed()


async def _add_demo(tx: store.Transaction, product: demo.DemoProduct, *, now: dt.datetime) -> None:
    """A demo product with a month of sales behind it, so that popularity has something to count."""
    details = domain.Details(
        sku=product.sku,
        name=product.name,
        description=product.description,
        category=product.category,
        brand=product.brand,
        price_paise=product.price_paise,
        original_price_paise=product.original_price_paise,
        unit=product.unit,
        pack_size=float(product.pack_size),
        weight_grams=product.weight_grams,
        max_per_order=20,
        low_stock_threshold=10,
        tags=product.tags,
        allergens=product.allergens,
        image_url=None,
        active=True,
    )
    category = await _category_of(tx, details)
    product_id = await tx.products.add(
        details,
        category_id=category.id,
        now=now,
        rating=float(product.rating),
        rating_count=product.rating_count,
        sold=product.sold,
    )
    history: tuple[tuple[int, reservations.Kind, int, int], ...] = (
        (28, "INITIAL", product.stock + product.sold, 0),
        (14, "RESERVE", 0, product.sold),
        (14, "COMMIT", -product.sold, -product.sold),
    )
    for days, kind, on_hand, reserved in history:
        movement = reservations.Movement(
            product_id=product_id,
            on_hand=on_hand,
            reserved=reserved,
            kind=kind,
            actor="system",
            reference=f"demo:{product.sku}",
        )
        await tx.stock.move(movement, now=now - dt.timedelta(days=days))
    await stock.tell_low(tx, [product_id], now=now)


async def paint_demo(*, ports: flow.Ports) -> None:
    """Give demo products without a picture one, in the background, the way an administrator uploads it."""
    if not ports.demo:
        return
    products = {product.sku: product for product in demo.catalogue()}
    async with ports.store.read() as tx:
        missing = {sku: await tx.products.id_of(sku) for sku in await tx.products.without_picture(products)}
    for sku, product_id in missing.items():
        product = products[sku]
        assert product_id is not None
        data = await asyncio.to_thread(
            paint.paint,
            motif=product.motif,
            colour=product.colour,
            category=product.category,
            name=product.name,
            label=product.name,
        )
        await pictures.add_picture(product_id=product_id, data=data, alt=product.name, ports=ports)
        await asyncio.sleep(PAINT_PAUSE_SECONDS)
