"""The first schema of `revcart_payments`: what a release before migrations made, too."""

import sqlalchemy as sa
from alembic import op

from revcart.kit import columns

revision = "v0001"
down_revision = None


def upgrade() -> None:
    _closed_orders()
    _idempotency()
    _inbox()
    _outbox()
    _payment_attempts()
    _payments()
    _refunds()
    _webhook_events()


def _closed_orders() -> None:
    op.create_table(
        "closed_orders",
        sa.Column("order_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("reason", sa.String(20), nullable=False),
        sa.Column("at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("order_id"),
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


def _payment_attempts() -> None:
    op.create_table(
        "payment_attempts",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("payment_id", sa.BigInteger, nullable=False),
        sa.Column("razorpay_payment_id", sa.String(40), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("amount_paise", sa.BigInteger, nullable=False),
        sa.Column("method", sa.String(20)),
        sa.Column("error_code", sa.String(64)),
        sa.Column("error_description", sa.String(255)),
        sa.Column("source", sa.String(10), nullable=False),
        sa.Column("at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("razorpay_payment_id"),
    )
    op.create_index("ix_payment_attempts_payment_id", "payment_attempts", ["payment_id"])


def _payments() -> None:
    op.create_table(
        "payments",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("order_id", sa.BigInteger, nullable=False),
        sa.Column("order_number", sa.String(20), nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("method", sa.String(10), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("amount_paise", sa.BigInteger, nullable=False),
        sa.Column("captured_paise", sa.BigInteger, nullable=False),
        sa.Column("refunded_paise", sa.BigInteger, nullable=False),
        sa.Column("razorpay_order_id", sa.String(40)),
        sa.Column("razorpay_payment_id", sa.String(40)),
        sa.Column("instrument", sa.String(20)),
        sa.Column("late", sa.Boolean, nullable=False),
        sa.Column("next_check_at", columns.Instant),
        sa.Column("checks", sa.Integer, nullable=False),
        sa.Column("expires_at", columns.Instant),
        sa.Column("completed_at", columns.Instant),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("order_id"),
        sa.UniqueConstraint("razorpay_order_id"),
    )
    op.create_index("ix_payments_created_at", "payments", ["created_at"])
    op.create_index("ix_payments_status_next_check_at", "payments", ["status", "next_check_at"])
    op.create_index("ix_payments_user_id", "payments", ["user_id"])


def _refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("payment_id", sa.BigInteger, nullable=False),
        sa.Column("refund_key", sa.String(100), nullable=False),
        sa.Column("razorpay_payment_id", sa.String(40)),
        sa.Column("razorpay_refund_id", sa.String(40)),
        sa.Column("amount_paise", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("channel", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("speed", sa.String(10), nullable=False),
        sa.Column("requested_by", sa.String(64), nullable=False),
        sa.Column("reference", sa.String(100)),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("tried_at", columns.Instant),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("processed_at", columns.Instant),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("razorpay_refund_id"),
        sa.UniqueConstraint("refund_key"),
    )
    op.create_index("ix_refunds_payment_id", "refunds", ["payment_id"])
    op.create_index("ix_refunds_status", "refunds", ["status"])


def _webhook_events() -> None:
    op.create_table(
        "webhook_events",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("event_id", sa.String(64)),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("entity_id", sa.String(64), nullable=False),
        sa.Column("body", sa.Text(262144), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("received_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("event", "entity_id", name="uq_webhook_events_event_entity"),
        sa.UniqueConstraint("event_id"),
    )
