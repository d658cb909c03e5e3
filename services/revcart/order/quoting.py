"""What a checkout would cost and what stands against it. Reserves nothing, changes nothing."""

from revcart.kit import auth, errors, pricing
from revcart.order import clients, coupons, domain, placing, refusals
from revcart.order.ports import Ports


async def quote(*, command: domain.PlaceOrder, user: auth.User, ports: Ports) -> domain.Quote:
    """Price the user's cart as it is. Raises DependencyUnavailable when cart or product is away."""
    problems: list[domain.Problem] = []
    cart = await ports.carts.get(user.id)
    if not cart.lines:
        problems.append(_problem(refusals.CartEmpty()))
    products = await ports.stock.products([line.product_id for line in cart.lines])
    problems += [problem for line in cart.lines if (problem := _stock_problem(line, products.get(line.product_id)))]
    lines = [_line(line, products[line.product_id]) for line in cart.lines if line.product_id in products]
    priced = [pricing.Line(unit_price_paise=line.price, quantity=line.quantity) for line in lines]
    subtotal = pricing.price(lines=priced, rules=ports.rules).subtotal_paise
    coupon = None
    try:
        coupon = await _coupon(command.coupon_code or cart.coupon_code, subtotal=subtotal, user=user, ports=ports)
    except errors.RevCartError as refusal:
        problems.append(_problem(refusal))
    price = pricing.price(lines=priced, discount=coupon.discount if coupon else None, rules=ports.rules)
    problems += await _other_problems(command, price, user=user, ports=ports)
    return domain.Quote(lines=lines, price=price, problems=problems)


async def _other_problems(
    command: domain.PlaceOrder,
    price: pricing.Quote,
    *,
    user: auth.User,
    ports: Ports,
) -> list[domain.Problem]:
    problems: list[domain.Problem] = []
    try:
        if price.subtotal_paise:
            placing.check_limits(price, payment_method=command.payment_method, ports=ports)
    except errors.RevCartError as refusal:
        problems.append(_problem(refusal))
    try:
        if command.slot_id is not None:
            async with ports.store.read() as tx:
                await placing.open_slot(tx, command.slot_id, now=ports.clock.now())
    except errors.RevCartError as refusal:
        problems.append(_problem(refusal))
    try:
        if command.address_id is not None or command.address is not None:
            address, _ = await placing.whereto(command=command, user=user, ports=ports)
            if not await ports.deliveries.serves(address):
                raise refusals.AddressNotServed(f"We do not deliver to {address.postal_code} yet.")
    except errors.RevCartError as refusal:
        problems.append(_problem(refusal))
    return problems


async def _coupon(code: str | None, *, subtotal: int, user: auth.User, ports: Ports) -> coupons.Coupon | None:
    async with ports.store.read() as tx:
        coupon = await placing.wanted_coupon(tx, code)
        if coupon is not None:
            used = await tx.coupon_uses(coupon.id, user_id=user.id)
            coupon.check(subtotal_paise=subtotal, used_by_user=used, now=ports.clock.now())
    return coupon


def _stock_problem(line: clients.CartLine, product: clients.Product | None) -> domain.Problem | None:
    if product is None or not product.active:
        name = product.name if product else f"Product {line.product_id}"
        return _problem(refusals.ProductUnavailable(f"{name} is not sold any more."))
    most = min(product.available, product.max_per_order)
    if line.quantity > most:
        return _problem(refusals.StockInsufficient(f"{most} of {product.name} can be ordered."))
    return None


def _line(line: clients.CartLine, product: clients.Product) -> domain.QuoteLine:
    return domain.QuoteLine(
        product_id=product.id,
        product_name=product.name,
        price=product.price_paise,
        quantity=line.quantity,
        line_total=product.price_paise * line.quantity,
        available=product.available,
    )


def _problem(refusal: errors.RevCartError) -> domain.Problem:
    code = refusal.answered_code if isinstance(refusal, errors.Refused) else refusal.code
    return domain.Problem(code, refusal.detail)
