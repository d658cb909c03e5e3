"""`/api/cart`: the cart of whoever calls. A token wins over a session; the two never mix except by merge."""

from typing import Annotated

from fastapi import Depends, Header, Path, Response

from revcart.cart import domain, flow, schemas
from revcart.kit import asgi, auth, errors
from revcart.kit import schemas as kit_schemas

SESSION_HEADER = "X-Cart-Session"

router = asgi.router(prefix="/api/cart", tags=["cart"])

Ports = Annotated[flow.Ports, Depends(asgi.ports)]
LineId = Annotated[int, Path(ge=1, le=kit_schemas.MAX_ID)]
Session = Annotated[str | None, Header(alias=SESSION_HEADER, pattern=schemas.SESSION)]


def _owner(user: auth.OptionalUser, session: Session = None) -> domain.Owner:
    return domain.Owner(user_id=user.id) if user else domain.Owner(session=session)


Owner = Annotated[domain.Owner, Depends(_owner)]

_REFUSED = errors.documented(domain.Unavailable, domain.Insufficient, domain.QuantityLimit, domain.LineLimit)


def _cart(view: domain.View, response: Response, ports: flow.Ports) -> schemas.Cart:
    if view.owner.session is not None:
        response.headers[SESSION_HEADER] = view.owner.session
    return schemas.Cart.of(view, expires_at=ports.carts.expires_at(view.cart))


@router.post("/add", responses=_REFUSED)
async def add_to_cart(body: schemas.Add, owner: Owner, response: Response, ports: Ports) -> schemas.Cart:
    view = await flow.add_to_cart(
        owner=owner,
        product_id=body.product_id,
        quantity=body.quantity,
        substitution=body.substitution,
        ports=ports,
    )
    return _cart(view, response, ports)


@router.get("")
async def get_cart(owner: Owner, response: Response, ports: Ports) -> schemas.Cart:
    return _cart(await flow.get_cart(owner=owner, ports=ports), response, ports)


@router.put("/update", responses=_REFUSED)
async def update_cart(body: schemas.Update, owner: Owner, response: Response, ports: Ports) -> schemas.Cart:
    view = await flow.update_cart(
        owner=owner,
        product_id=body.product_id,
        quantity=body.quantity,
        substitution=body.substitution,
        ports=ports,
    )
    return _cart(view, response, ports)


@router.delete("/remove/{id}")
async def remove_from_cart(id: LineId, owner: Owner, response: Response, ports: Ports) -> schemas.Cart:
    return _cart(await flow.remove_from_cart(owner=owner, product_id=id, ports=ports), response, ports)


@router.delete("/clear")
async def clear_cart(owner: Owner, response: Response, ports: Ports) -> schemas.Cart:
    return _cart(await flow.clear_cart(owner=owner, ports=ports), response, ports)


@router.get("/count")
async def count_cart(owner: Owner, ports: Ports) -> schemas.Count:
    cart = await ports.carts.get(owner)
    return schemas.Count(line_count=len(cart.lines), quantity=cart.quantity)


@router.get("/total")
async def total_cart(owner: Owner, ports: Ports) -> schemas.Total:
    return schemas.Total.of(await flow.get_cart(owner=owner, ports=ports))


# The refusals are order's, passed on unchanged: `coupon.…`.
@router.post("/coupon", responses=errors.documented(errors.Conflict, errors.Unprocessable))
async def apply_coupon(body: schemas.ApplyCoupon, owner: Owner, response: Response, ports: Ports) -> schemas.Cart:
    return _cart(await flow.apply_coupon(owner=owner, code=body.code, ports=ports), response, ports)


@router.delete("/coupon")
async def drop_coupon(owner: Owner, response: Response, ports: Ports) -> schemas.Cart:
    return _cart(await flow.drop_coupon(owner=owner, ports=ports), response, ports)


@router.post("/validate")
async def validate_cart(owner: Owner, ports: Ports) -> schemas.Validation:
    view = await flow.get_cart(owner=owner, ports=ports)
    return schemas.Validation(valid=view.is_valid, changes=[schemas.Change.of(change) for change in view.changes])


@router.post("/merge")
async def merge_carts(
    user: auth.CurrentUser,
    response: Response,
    ports: Ports,
    session: Session = None,
    body: schemas.Merge | None = None,
) -> schemas.Cart:
    wanted = body.session if body is not None and body.session is not None else session
    if wanted is None:
        item = errors.Item(f"header:{SESSION_HEADER}", "missing")
        raise errors.InvalidRequest("Say which session is to be merged.", items=[item])
    return _cart(await flow.merge_carts(user_id=user.id, session=wanted, ports=ports), response, ports)
