"""The first schema of `revcart_orders`: what a release before migrations made, too."""

import sqlalchemy as sa
from alembic import op

from revcart.kit import columns

revision = "v0001"
down_revision = None


def upgrade() -> None:
    _coupons()
    _delivery_slots()
    _idempotency()
    _inbox()
    _invoice_counters()
    _orders()
    _outbox()
    _coupon_redemptions()
    _order_history()
    _order_items()


def _coupons() -> None:
    op.create_table(
        "coupons",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("code", sa.String(20), nullable=False),
        sa.Column("description", sa.String(200), nullable=False),
        sa.Column("discount_type", sa.String(10), nullable=False),
        sa.Column("discount_value", sa.BigInteger, nullable=False),
        sa.Column("min_order_paise", sa.BigInteger, nullable=False),
        sa.Column("max_discount_paise", sa.BigInteger),
        sa.Column("valid_from", columns.Instant, nullable=False),
        sa.Column("valid_until", columns.Instant, nullable=False),
        sa.Column("usage_limit", sa.Integer),
        sa.Column("per_user_limit", sa.Integer, nullable=False),
        sa.Column("used_count", sa.Integer, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("updated_at", columns.Instant, nullable=False),
        sa.CheckConstraint("used_count >= 0", name="ck_coupon_uses"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("code"),
        sqlite_autoincrement=True,
    )


def _delivery_slots() -> None:
    op.create_table(
        "delivery_slots",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("starts_at", columns.Instant, nullable=False),
        sa.Column("ends_at", columns.Instant, nullable=False),
        sa.Column("capacity", sa.Integer, nullable=False),
        sa.Column("booked", sa.Integer, nullable=False),
        sa.Column("cutoff_minutes", sa.Integer, nullable=False),
        sa.Column("blackout", sa.Boolean, nullable=False),
        sa.Column("reason", sa.String(200)),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("updated_at", columns.Instant, nullable=False),
        sa.CheckConstraint("booked >= 0 AND booked <= capacity", name="ck_slot_seats"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("starts_at", "ends_at"),
        sqlite_autoincrement=True,
    )


def _idempotency() -> None:
    op.create_table(
        "idempotency",
        sa.Column("caller", sa.String(64), nullable=False),
        sa.Column("route", sa.String(128), nullable=False),
        sa.Column("idem_key", sa.String(128), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("locked_until", columns.Instant, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("body", columns.Json),
        sa.Column("expires_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("caller", "route", "idem_key"),
    )
    op.create_index("ix_idempotency_expires_at", "idempotency", ["expires_at"])


def _inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("consumer_group", sa.String(64), nullable=False),
        sa.Column("event_id", sa.String(64), nullable=False),
        sa.Column("received_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("consumer_group", "event_id"),
    )
    op.create_index("ix_inbox_received_at", "inbox", ["received_at"])


def _invoice_counters() -> None:
    op.create_table(
        "invoice_counters",
        sa.Column("financial_year", sa.String(4), nullable=False),
        sa.Column("last", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("financial_year"),
    )


def _orders() -> None:
    op.create_table(
        "orders",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("order_number", sa.String(16), nullable=False),
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
        sa.Column("refunded_paise", sa.BigInteger, nullable=False),
        sa.Column("refund_paise", sa.BigInteger),
        sa.Column("coupon_id", sa.BigInteger),
        sa.Column("coupon_code", sa.String(20)),
        sa.Column("reservation_id", sa.BigInteger, nullable=False),
        sa.Column("slot_id", sa.BigInteger),
        sa.Column("window_start", columns.Instant, nullable=False),
        sa.Column("window_end", columns.Instant, nullable=False),
        sa.Column("address", columns.Json, nullable=False),
        sa.Column("customer_name", sa.String(120), nullable=False),
        sa.Column("customer_email", sa.String(254), nullable=False),
        sa.Column("customer_phone", sa.String(16), nullable=False),
        sa.Column("instructions", sa.String(300)),
        sa.Column("agent_name", sa.String(60)),
        sa.Column("eta_at", columns.Instant),
        sa.Column("cancel_reason", sa.String(200)),
        sa.Column("invoice_number", sa.String(24)),
        sa.Column("expires_at", columns.Instant, nullable=False),
        sa.Column("confirmed_at", columns.Instant),
        sa.Column("delivered_at", columns.Instant),
        sa.Column("cancelled_at", columns.Instant),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("updated_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("invoice_number"),
        sa.UniqueConstraint("order_number"),
        sa.UniqueConstraint("reservation_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_orders_created_at", "orders", ["created_at"])
    op.create_index("ix_orders_customer_email", "orders", ["customer_email"])
    op.create_index("ix_orders_customer_phone", "orders", ["customer_phone"])
    op.create_index("ix_orders_slot_id", "orders", ["slot_id"])
    op.create_index("ix_orders_status", "orders", ["status", "expires_at"])
    op.create_index("ix_orders_user_id", "orders", ["user_id", "created_at"])


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("seq", columns.Id, nullable=False),
        sa.Column("event_id", sa.String(36), nullable=False),
        sa.Column("topic", sa.String(64), nullable=False),
        sa.Column("message_key", sa.String(128), nullable=False),
        sa.Column("envelope", columns.Json, nullable=False),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("published_at", columns.Instant),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("leased_by", sa.String(64)),
        sa.Column("leased_until", columns.Instant),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("event_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_published_at", "outbox", ["published_at", "seq"])


def _coupon_redemptions() -> None:
    op.create_table(
        "coupon_redemptions",
        sa.Column("coupon_id", columns.Id, nullable=False),
        sa.Column("order_id", columns.Id, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.ForeignKeyConstraint(
            ["coupon_id"],
            ["coupons.id"],
        ),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["orders.id"],
        ),
        sa.PrimaryKeyConstraint("coupon_id", "order_id"),
    )
    op.create_index("ix_coupon_redemptions_user", "coupon_redemptions", ["coupon_id", "user_id"])


def _order_history() -> None:
    op.create_table(
        "order_history",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("order_id", columns.Id, nullable=False),
        sa.Column("from", sa.String(20)),
        sa.Column("to", sa.String(20), nullable=False),
        sa.Column("action", sa.String(10), nullable=False),
        sa.Column("actor", columns.Json, nullable=False),
        sa.Column("reason", sa.String(200)),
        sa.Column("at", columns.Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["orders.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_order_history_order_id", "order_history", ["order_id", "id"])


def _order_items() -> None:
    op.create_table(
        "order_items",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("order_id", columns.Id, nullable=False),
        sa.Column("product_id", sa.BigInteger, nullable=False),
        sa.Column("product_name", sa.String(120), nullable=False),
        sa.Column("category", sa.String(30)),
        sa.Column("image_url", sa.String(500)),
        sa.Column("weight_grams", sa.Integer, nullable=False),
        sa.Column("price_paise", sa.BigInteger, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("line_paise", sa.BigInteger, nullable=False),
        sa.Column("substitution", sa.String(12), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["orders.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_order_items_order_id", "order_items", ["order_id"])
