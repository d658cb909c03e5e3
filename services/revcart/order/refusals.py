"""Why an order, a coupon or a slot says no."""

from revcart.kit import errors


class CartEmpty(errors.Conflict):
    code, title = "cart.empty", "The cart is empty"


class PriceChanged(errors.Conflict):
    """Carries `quote`, the present price."""

    code, title = "price.changed", "The price has changed"


class AddressUnknown(errors.Unprocessable):
    code, title = "address.unknown", "That address is not known"


class AddressNotServed(errors.Unprocessable):
    code, title = "address.not-served", "We do not deliver there"


class BelowMinimum(errors.Unprocessable):
    code, title = "order.below-minimum", "The order is too small"


class CodLimit(errors.Unprocessable):
    code, title = "order.cod-limit", "Too much for cash on delivery"


class TransitionNotAllowed(errors.Conflict):
    """Carries `from`, `to` and `allowed`."""

    code, title = "order.transition-not-allowed", "That does not follow from the present state"


class Unpaid(errors.Conflict):
    code, title = "order.unpaid", "The order is not paid"


class NotCancellable(errors.Conflict):
    code, title = "order.not-cancellable", "The order cannot be cancelled any more"


class OpenOrders(errors.Conflict):
    code, title = "account.open-orders", "An order is still on its way"


class InvoiceNotReady(errors.Conflict):
    code, title = "invoice.not-ready", "The invoice is written when the order is confirmed"


class ItemUnknown(errors.Unprocessable):
    code, title = "item.unknown", "The order has no such item"


class QuantityExceeded(errors.Unprocessable):
    code, title = "item.quantity-exceeded", "More than was ordered"


class StockInsufficient(errors.Conflict):
    """As product says it; here for the documentation and for quotes."""

    code, title = "stock.insufficient", "Out of stock"


class ProductUnavailable(errors.Conflict):
    code, title = "product.unavailable", "Not sold any more"


class SlotFull(errors.Conflict):
    code, title = "slot.full", "That delivery slot is full"


class SlotClosed(errors.Conflict):
    code, title = "slot.closed", "That delivery slot is closed"


class SlotOverlap(errors.Conflict):
    code, title = "slot.overlap", "Another slot covers part of that time"


class SlotInUse(errors.Conflict):
    code, title = "slot.in-use", "Orders are booked into that slot"


class CouponUnknown(errors.Unprocessable):
    code, title = "coupon.unknown", "There is no such coupon"


class CouponInactive(errors.Conflict):
    code, title = "coupon.inactive", "The coupon is not active"


class CouponNotYetValid(errors.Conflict):
    code, title = "coupon.not-yet-valid", "The coupon is not valid yet"


class CouponExpired(errors.Conflict):
    code, title = "coupon.expired", "The coupon has expired"


class CouponUsedUp(errors.Conflict):
    code, title = "coupon.used-up", "The coupon is used up"


class CouponUserLimit(errors.Conflict):
    code, title = "coupon.user-limit", "You have used this coupon already"


class CouponMinimumNotMet(errors.Conflict):
    """Carries `missing`, in rupees."""

    code, title = "coupon.minimum-not-met", "The order is too small for the coupon"


class CouponCodeTaken(errors.Conflict):
    code, title = "coupon.code-taken", "Another coupon has that code"


COUPON = (
    CouponUnknown,
    CouponInactive,
    CouponNotYetValid,
    CouponExpired,
    CouponUsedUp,
    CouponUserLimit,
    CouponMinimumNotMet,
)
PLACING = (
    CartEmpty,
    PriceChanged,
    StockInsufficient,
    ProductUnavailable,
    SlotFull,
    SlotClosed,
    AddressUnknown,
    AddressNotServed,
    BelowMinimum,
    CodLimit,
    *COUPON,
)
