"""The first schema of `revcart_products`: what a release before migrations made, too."""

import sqlalchemy as sa
from alembic import op

from revcart.kit import columns

revision = "v0001"
down_revision = None


def upgrade() -> None:
    _categories()
    _idempotency()
    _inbox()
    _outbox()
    _reservations()
    _stock_ledger()
    _products()
    _reservation_lines()
    _product_images()
    _image_blobs()


def _categories() -> None:
    op.create_table(
        "categories",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("slug", sa.String(30), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("image_url", sa.String(500)),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug"),
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


def _reservations() -> None:
    op.create_table(
        "reservations",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("reference", sa.String(128), nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("order_id", sa.BigInteger),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("expires_at", columns.Instant, nullable=False),
        sa.Column("decided_at", columns.Instant),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("reference"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reservations_order_id", "reservations", ["order_id"])
    op.create_index("ix_reservations_state", "reservations", ["state", "expires_at"])
    op.create_index("ix_reservations_user_id", "reservations", ["user_id"])


def _stock_ledger() -> None:
    op.create_table(
        "stock_ledger",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("product_id", sa.BigInteger, nullable=False),
        sa.Column("on_hand_delta", sa.Integer, nullable=False),
        sa.Column("reserved_delta", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("reference", sa.String(128)),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("note", sa.String(200)),
        sa.Column("at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("reference", "product_id", "kind", name="uq_stock_ledger_step"),
    )
    op.create_index("ix_stock_ledger_product", "stock_ledger", ["product_id", "id"])


def _products() -> None:
    op.create_table(
        "products",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("sku", sa.String(40), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("category_id", sa.BigInteger, nullable=False),
        sa.Column("brand", sa.String(60)),
        sa.Column("price_paise", sa.BigInteger, nullable=False),
        sa.Column("original_price_paise", sa.BigInteger),
        sa.Column("unit", sa.String(5), nullable=False),
        sa.Column("pack_size", sa.Numeric(9, 3, asdecimal=False), nullable=False),
        sa.Column("weight_grams", sa.Integer, nullable=False),
        sa.Column("on_hand", sa.Integer, nullable=False),
        sa.Column("reserved", sa.Integer, nullable=False),
        sa.Column("low_stock_threshold", sa.Integer, nullable=False),
        sa.Column("low_since", columns.Instant),
        sa.Column("max_per_order", sa.Integer, nullable=False),
        sa.Column("tags", columns.Json, nullable=False),
        sa.Column("allergens", columns.Json, nullable=False),
        sa.Column("image_url", sa.String(500)),
        sa.Column("rating", sa.Numeric(2, 1, asdecimal=False)),
        sa.Column("rating_count", sa.Integer, nullable=False),
        sa.Column("sold_30d", sa.Integer, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("updated_at", columns.Instant, nullable=False),
        sa.CheckConstraint("reserved >= 0 AND reserved <= on_hand", name="ck_products_stock"),
        sa.ForeignKeyConstraint(
            ["category_id"],
            ["categories.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sku"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_products_brand", "products", ["brand"])
    op.create_index("ix_products_category", "products", ["category_id", "active"])
    op.create_index("ix_products_price", "products", ["active", "price_paise"])


def _reservation_lines() -> None:
    op.create_table(
        "reservation_lines",
        sa.Column("reservation_id", sa.BigInteger, nullable=False),
        sa.Column("product_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("returned", sa.Integer, nullable=False),
        sa.Column("snapshot", columns.Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["reservation_id"],
            ["reservations.id"],
        ),
        sa.PrimaryKeyConstraint("reservation_id", "product_id"),
    )


def _product_images() -> None:
    op.create_table(
        "product_images",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("product_id", sa.BigInteger, nullable=False),
        sa.Column("alt", sa.String(150), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"],
            ["products.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_product_images_product_id", "product_images", ["product_id"])


def _image_blobs() -> None:
    op.create_table(
        "image_blobs",
        sa.Column("image_id", sa.BigInteger, nullable=False),
        sa.Column("width", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("bytes", sa.LargeBinary(16777215), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["product_images.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("image_id", "width"),
    )
