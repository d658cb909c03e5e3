"""What can be done with a cart. Prices and stock are asked of product each time; a client's are never read."""

import dataclasses
from collections.abc import Mapping, Sequence

from revcart.cart import clients, domain, events, store
from revcart.kit import clock, errors, ids, pricing
from revcart.kit import events as kit_events

SESSION_BITS = 192  # 32 characters of base64url


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ports:
    """What cart needs of the world."""

    clock: clock.Clock
    carts: store.Store
    products: clients.Products
    coupons: clients.Coupons
    stream: kit_events.Stream
    rules: pricing.Rules


async def get_cart(*, owner: domain.Owner, ports: Ports) -> domain.View:
    """The cart at the prices of this moment; at the last known ones while product is away."""
    return await _view(owner, await ports.carts.get(owner), ports=ports)


async def add_to_cart(
    *,
    owner: domain.Owner,
    product_id: int,
    quantity: int,
    substitution: domain.Substitution | None,
    ports: Ports,
) -> domain.View:
    """So many more of a product. Raises Unavailable, Insufficient (409), QuantityLimit, LineLimit (422)."""
    owner = _with_session(owner)
    before = await ports.carts.get(owner)
    products = await ports.products.get([*{*before.product_ids, product_id}])
    product = _sold(products, product_id)
    written = _accepted(
        await ports.carts.add(
            owner, product_id=product_id, quantity=quantity, substitution=substitution, product=product
        ),
        product_id=product_id,
        product=product,
    )
    return await _updated(owner, written, action="ADD", product_id=product_id, products=products, ports=ports)


async def update_cart(
    *,
    owner: domain.Owner,
    product_id: int,
    quantity: int,
    substitution: domain.Substitution | None,
    ports: Ports,
) -> domain.View:
    """So many of a product, 0 for none. Raises NotFound for a line that is not there, and what `add_to_cart` raises."""
    before = await ports.carts.get(owner)
    if before.line(product_id) is None:
        raise errors.NotFound
    if quantity == 0:
        return await remove_from_cart(owner=owner, product_id=product_id, ports=ports)
    products = await ports.products.get(before.product_ids)
    product = _sold(products, product_id)
    written = _accepted(
        await ports.carts.set(
            owner, product_id=product_id, quantity=quantity, substitution=substitution, product=product
        ),
        product_id=product_id,
        product=product,
    )
    return await _updated(owner, written, action="UPDATE", product_id=product_id, products=products, ports=ports)


async def remove_from_cart(*, owner: domain.Owner, product_id: int, ports: Ports) -> domain.View:
    """Without this product, also when it was not there."""
    written = await ports.carts.remove(owner, product_id=product_id) if owner.key else None
    if not isinstance(written, store.Written):
        return await get_cart(owner=owner, ports=ports)
    return await _updated(owner, written, action="REMOVE", product_id=product_id, ports=ports)


async def clear_cart(*, owner: domain.Owner, ports: Ports) -> domain.View:
    """Without lines and coupon."""
    written = await ports.carts.clear(owner) if owner.key else None
    if not isinstance(written, store.Written):
        return await get_cart(owner=owner, ports=ports)
    return await _updated(owner, written, action="CLEAR", product_id=None, ports=ports)


async def apply_coupon(*, owner: domain.Owner, code: str, ports: Ports) -> domain.View:
    """Keep a coupon's terms with the cart. Raises order's refusals (409, 422); order or product away: 503."""
    owner = _with_session(owner)
    cart = await ports.carts.get(owner)
    products = await ports.products.get(cart.product_ids)
    priced = _price(owner, cart, products=products, ports=ports)
    coupon = await ports.coupons.check(code=code, user_id=owner.user_id, subtotal_paise=priced.quote.subtotal_paise)
    await ports.carts.set_coupon(owner, coupon)
    return _price(owner, await ports.carts.get(owner), products=products, ports=ports)


async def drop_coupon(*, owner: domain.Owner, ports: Ports) -> domain.View:
    """Without coupon, also when there was none."""
    if owner.key is not None:
        await ports.carts.set_coupon(owner, None)
    return await get_cart(owner=owner, ports=ports)


async def merge_carts(*, user_id: int, session: str, ports: Ports) -> domain.View:
    """A guest's lines go to the user who signed in; a session that is unknown or was merged changes nothing."""
    owner, guest_owner = domain.Owner(user_id=user_id), domain.Owner(session=session)
    guest = await ports.carts.get(guest_owner)
    if not guest.version:
        return await get_cart(owner=owner, ports=ports)
    mine = await ports.carts.get(owner)
    products = await _offered({*mine.product_ids, *guest.product_ids}, ports=ports)
    offered = {line.product_id: domain.offered(line, products) for line in guest.lines}
    written = await ports.carts.merge(owner, session=session, guest=guest, offered=offered)
    await ports.carts.drop(guest_owner)  # after the mark in the user's cart: a repeat finds nothing, or the mark
    if isinstance(written, store.Refusal):
        return await get_cart(owner=owner, ports=ports)
    cart = await ports.carts.get(owner)
    view = _price(owner, cart, products=products, ports=ports, merged=written.changes)
    previous = dataclasses.replace(written, before=mine.quantity, after=cart.quantity)
    _tell(view, previous, action="MERGE", product_id=None, session=session, ports=ports)
    return view


async def take_ordered(*, event: kit_events.Received[events.OrderCreated], ports: Ports) -> kit_events.Ignored | None:
    """What was ordered leaves the user's cart; what was added since stays."""
    quantities = {line.product_id: line.quantity for line in event.data.lines}
    taken = await ports.carts.take(
        domain.Owner(user_id=event.data.user_id),
        event_id=event.id,
        quantities=quantities,
        coupon_code=event.data.coupon_code,
    )
    return kit_events.Ignored("no cart") if isinstance(taken, store.Refusal) else None


async def forget_user(*, user_id: int, ports: Ports) -> None:
    """Forget a user's cart."""
    await ports.carts.drop(domain.Owner(user_id=user_id))


def _with_session(owner: domain.Owner) -> domain.Owner:
    """A guest's first write makes the session."""
    return owner if owner.key else domain.Owner(session=ids.token("gs_", bits=SESSION_BITS))


def _sold(products: Mapping[int, domain.Product], product_id: int) -> domain.Product:
    product = products.get(product_id)
    if product is None or not product.active:
        raise domain.Unavailable("This product is no longer sold.", available=0)
    return product


def _accepted(
    written: store.Written | store.Refusal,
    *,
    product_id: int,
    product: domain.Product,
) -> store.Written:
    if isinstance(written, store.Written):
        return written
    item = errors.Item("#/quantity", "too many")
    match written.why:
        case "line-limit":
            raise domain.LineLimit
        case "quantity-limit":
            raise domain.QuantityLimit(f"{product.most} of {product.name} at most.", items=[item], max=product.most)
        case "stock":
            available = max(product.available, 0)
            raise domain.Insufficient(
                f"{available} of {product.name} are left.", items=[item], productId=product_id, available=available
            )
    raise errors.NotFound


async def _updated(
    owner: domain.Owner,
    written: store.Written,
    *,
    action: events.Action,
    product_id: int | None,
    ports: Ports,
    products: Mapping[int, domain.Product] | None = None,
) -> domain.View:
    cart = await ports.carts.get(owner)
    if products is None or any(number not in products for number in cart.product_ids):
        view = await _view(owner, cart, ports=ports)
    else:
        view = _price(owner, cart, products=products, ports=ports)
    _tell(view, written, action=action, product_id=product_id, session=owner.session, ports=ports)
    return view


async def _view(owner: domain.Owner, cart: domain.Cart, *, ports: Ports) -> domain.View:
    return _price(owner, cart, products=await _offered(set(cart.product_ids), ports=ports), ports=ports)


async def _offered(wanted: set[int], *, ports: Ports) -> dict[int, domain.Product] | None:
    """What product offers, None while it is away."""
    try:
        return await ports.products.get(sorted(wanted))
    except errors.DependencyUnavailable:
        return None


def _price(
    owner: domain.Owner,
    cart: domain.Cart,
    *,
    products: Mapping[int, domain.Product] | None,
    ports: Ports,
    merged: Sequence[domain.Change] = (),
) -> domain.View:
    return domain.view(cart, owner=owner, products=products, rules=ports.rules, now=ports.clock.now(), merged=merged)


def _tell(
    view: domain.View,
    written: store.Written,
    *,
    action: events.Action,
    product_id: int | None,
    session: str | None,
    ports: Ports,
) -> None:
    ports.stream.send(
        events.CartUpdated(
            user_id=view.owner.user_id,
            session_id=session,
            action=action,
            product_id=product_id,
            quantity=written.after,
            previous_quantity=written.before,
            line_count=len(view.lines),
            subtotal_paise=view.quote.subtotal_paise,
            updated_at=ports.clock.now(),
        )
    )
