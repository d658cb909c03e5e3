"""The tables of `revcart_orders`."""

import sqlalchemy as sa

from revcart.kit import sql

metadata = sa.MetaData()
sql.shared_tables(metadata, idempotency=True)


def _times() -> tuple[sa.Column[object], sa.Column[object]]:
    return (
        sa.Column("created_at", sql.Instant, nullable=False),
        sa.Column("updated_at", sql.Instant, nullable=False),
    )


orders = sa.Table(
    "orders",
    metadata,
    sa.Column("id", sql.Id, primary_key=True, autoincrement=True),
    sa.Column("order_number", sa.String(16), nullable=False, unique=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("payment_method", sa.String(10), nullable=False),
    sa.Column("payment_status", sa.String(20), nullable=False),
    sa.Column("payment_failure", sa.String(300)),
    sa.Column("subtotal_paise", sa.BigInteger, nullable=False),
    sa.Column("discount_paise", sa.BigInteger, nullable=False),
    sa.Column("tax_paise", sa.BigInteger, nullable=False),
    sa.Column("delivery_fee_paise", sa.BigInteger, nullable=False),
    sa.Column("total_paise", sa.BigInteger, nullable=False),
    sa.Column("refunded_paise", sa.BigInteger, nullable=False, default=0),
    sa.Column("refund_paise", sa.BigInteger),
    sa.Column("coupon_id", sa.BigInteger),
    sa.Column("coupon_code", sa.String(20)),
    sa.Column("reservation_id", sa.BigInteger, nullable=False, unique=True),
    sa.Column("slot_id", sa.BigInteger, index=True),
    sa.Column("window_start", sql.Instant, nullable=False),
    sa.Column("window_end", sql.Instant, nullable=False),
    sa.Column("address", sql.Json, nullable=False),
    sa.Column("customer_name", sa.String(120), nullable=False),
    sa.Column("customer_email", sa.String(254), nullable=False, index=True),
    sa.Column("customer_phone", sa.String(16), nullable=False, index=True),
    sa.Column("instructions", sa.String(300)),
    sa.Column("agent_name", sa.String(60)),
    sa.Column("eta_at", sql.Instant),
    sa.Column("cancel_reason", sa.String(200)),
    sa.Column("invoice_number", sa.String(24), unique=True),
    sa.Column("expires_at", sql.Instant, nullable=False),
    sa.Column("confirmed_at", sql.Instant),
    sa.Column("delivered_at", sql.Instant),
    sa.Column("cancelled_at", sql.Instant),
    sa.Column("version", sa.Integer, nullable=False),
    *_times(),
    sa.Index("ix_orders_user_id", "user_id", "created_at"),
    sa.Index("ix_orders_status", "status", "expires_at"),
    sa.Index("ix_orders_created_at", "created_at"),
    sqlite_autoincrement=True,
)

order_items = sa.Table(
    "order_items",
    metadata,
    sa.Column("id", sql.Id, primary_key=True, autoincrement=True),
    sa.Column("order_id", sa.ForeignKey("orders.id"), nullable=False, index=True),
    sa.Column("product_id", sa.BigInteger, nullable=False),
    sa.Column("product_name", sa.String(120), nullable=False),
    sa.Column("category", sa.String(30)),
    sa.Column("image_url", sa.String(500)),
    sa.Column("weight_grams", sa.Integer, nullable=False),
    sa.Column("price_paise", sa.BigInteger, nullable=False),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("line_paise", sa.BigInteger, nullable=False),
    sa.Column("substitution", sa.String(12), nullable=False),
)

order_history = sa.Table(
    "order_history",
    metadata,
    sa.Column("id", sql.Id, primary_key=True, autoincrement=True),
    sa.Column("order_id", sa.ForeignKey("orders.id"), nullable=False),
    sa.Column("from", sa.String(20)),
    sa.Column("to", sa.String(20), nullable=False),
    sa.Column("action", sa.String(10), nullable=False),
    sa.Column("actor", sql.Json, nullable=False),
    sa.Column("reason", sa.String(200)),
    sa.Column("at", sql.Instant, nullable=False),
    sa.Index("ix_order_history_order_id", "order_id", "id"),
)

invoice_counters = sa.Table(
    "invoice_counters",
    metadata,
    sa.Column("financial_year", sa.String(4), primary_key=True),
    sa.Column("last", sa.Integer, nullable=False),
)

delivery_slots = sa.Table(
    "delivery_slots",
    metadata,
    sa.Column("id", sql.Id, primary_key=True, autoincrement=True),
    sa.Column("starts_at", sql.Instant, nullable=False),
    sa.Column("ends_at", sql.Instant, nullable=False),
    sa.Column("capacity", sa.Integer, nullable=False),
    sa.Column("booked", sa.Integer, nullable=False, default=0),
    sa.Column("cutoff_minutes", sa.Integer, nullable=False),
    sa.Column("blackout", sa.Boolean, nullable=False, default=False),
    sa.Column("reason", sa.String(200)),
    sa.Column("version", sa.Integer, nullable=False, default=1),
    *_times(),
    sa.UniqueConstraint("starts_at", "ends_at"),
    sa.CheckConstraint("booked >= 0 AND booked <= capacity", name="ck_slot_seats"),
    sqlite_autoincrement=True,
)

coupons = sa.Table(
    "coupons",
    metadata,
    sa.Column("id", sql.Id, primary_key=True, autoincrement=True),
    sa.Column("code", sa.String(20), nullable=False, unique=True),
    sa.Column("description", sa.String(200), nullable=False),
    sa.Column("discount_type", sa.String(10), nullable=False),
    sa.Column("discount_value", sa.BigInteger, nullable=False),
    sa.Column("min_order_paise", sa.BigInteger, nullable=False),
    sa.Column("max_discount_paise", sa.BigInteger),
    sa.Column("valid_from", sql.Instant, nullable=False),
    sa.Column("valid_until", sql.Instant, nullable=False),
    sa.Column("usage_limit", sa.Integer),
    sa.Column("per_user_limit", sa.Integer, nullable=False),
    sa.Column("used_count", sa.Integer, nullable=False, default=0),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("version", sa.Integer, nullable=False, default=1),
    *_times(),
    sa.CheckConstraint("used_count >= 0", name="ck_coupon_uses"),
    sqlite_autoincrement=True,
)

coupon_redemptions = sa.Table(
    "coupon_redemptions",
    metadata,
    sa.Column("coupon_id", sa.ForeignKey("coupons.id"), primary_key=True),
    sa.Column("order_id", sa.ForeignKey("orders.id"), primary_key=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Index("ix_coupon_redemptions_user", "coupon_id", "user_id"),
)
