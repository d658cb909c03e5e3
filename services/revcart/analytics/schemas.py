"""The four reports as they are answered; amounts in rupees, rates 0…1 or null."""

from typing import Literal

import pydantic

from revcart.kit import schemas

Method = Literal["RAZORPAY", "COD"]
ProductSort = Literal["units", "revenue", "views", "conversion"]


class Totals(schemas.Answer):
    placed: int
    confirmed: int
    delivered: int
    cancelled: int
    expired: int
    paid_orders: int
    gross: schemas.Rupees
    discounts: schemas.Rupees
    tax: schemas.Rupees
    delivery_fees: schemas.Rupees
    refunds: schemas.Rupees
    net: schemas.Rupees
    average_order_value: schemas.Rupees


class SalesPoint(Totals):
    start: schemas.Instant


class MethodFigures(schemas.Answer):
    method: str
    orders: int
    gross: schemas.Rupees


class CategoryFigures(schemas.Answer):
    category: str
    units: int
    revenue: schemas.Rupees


class _Report(schemas.Answer):
    from_: schemas.Date = pydantic.Field(alias="from")
    to: schemas.Date
    as_of: schemas.Instant | None


class Sales(_Report):
    interval: str
    timezone: str
    currency: str
    totals: Totals
    previous: Totals | None
    today: schemas.Rupees
    week: schemas.Rupees
    month: schemas.Rupees
    series: list[SalesPoint]
    by_method: list[MethodFigures]
    by_category: list[CategoryFigures]


class CategoryShare(CategoryFigures):
    share: float | None


class ProductFigures(schemas.Answer):
    product_id: int
    name: str | None
    category: str | None
    units: int
    revenue: schemas.Rupees
    orders: int
    views: int
    cart_adds: int
    conversion: float | None


class ProductTotals(schemas.Answer):
    units: int
    revenue: schemas.Rupees
    products_sold: int


class LowStock(schemas.Answer):
    product_id: int
    name: str
    available: int
    threshold: int
    since: schemas.Instant


class SearchCount(schemas.Answer):
    query: str
    count: int


class Searches(schemas.Answer):
    total: int
    zero_result_rate: float | None
    top: list[SearchCount]
    zero_results: list[SearchCount]


class Products(_Report):
    totals: ProductTotals
    top: list[ProductFigures]
    categories: list[CategoryShare]
    low_stock: list[LowStock]
    searches: Searches


class UserTotals(schemas.Answer):
    registered: int
    active: int
    buyers: int
    new_buyers: int
    returning_buyers: int
    repeat_rate: float | None


class UserPoint(schemas.Answer):
    start: schemas.Instant
    registered: int
    active: int
    buyers: int


class Funnel(schemas.Answer):
    viewed: int
    carted: int
    ordered: int
    paid: int
    delivered: int


class Customer(schemas.Answer):
    user_id: int
    orders: int
    net: schemas.Rupees


class Users(_Report):
    interval: str
    totals: UserTotals
    previous: UserTotals | None
    series: list[UserPoint]
    funnel: Funnel
    top_customers: list[Customer]


class Window(schemas.Answer):
    orders: int
    revenue: schemas.Rupees
    new_users: int
    average_order_value: schemas.Rupees


class Performance(schemas.Answer):
    payment_success_rate: float | None
    confirm_seconds_p95: int | None = pydantic.Field(alias="confirmSecondsP95")
    delivery_minutes_p50: int | None = pydantic.Field(alias="deliveryMinutesP50")
    delivery_minutes_p95: int | None = pydantic.Field(alias="deliveryMinutesP95")
    on_time_rate: float | None
    failed_delivery_rate: float | None
    notification_failure_rate: float | None


class Dashboard(schemas.Answer):
    as_of: schemas.Instant | None
    total_orders: int
    total_users: int
    total_revenue: schemas.Rupees
    today: Window
    week: Window
    month: Window
    orders_by_status: dict[str, int]
    pending_deliveries: int
    low_stock_count: int
    performance: Performance


class Rebuild(schemas.Body):
    from_: schemas.Date = pydantic.Field(alias="from")
    to: schemas.Date


class Accepted(schemas.Answer):
    message: str
