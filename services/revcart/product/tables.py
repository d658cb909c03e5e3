"""The tables of `revcart_products`."""

import sqlalchemy as sa

from revcart.kit import sql

metadata = sa.MetaData()
sql.shared_tables(metadata, outbox=True, inbox=True, idempotency=True)

categories = sa.Table(
    "categories",
    metadata,
    sa.Column("id", sql.Id, primary_key=True, autoincrement=True),
    sa.Column("slug", sa.String(30), nullable=False, unique=True),
    sa.Column("name", sa.String(40), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("image_url", sa.String(500)),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
)

products = sa.Table(
    "products",
    metadata,
    sa.Column("id", sql.Id, primary_key=True, autoincrement=True),
    sa.Column("sku", sa.String(40), nullable=False, unique=True),
    sa.Column("name", sa.String(120), nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("category_id", sa.BigInteger, sa.ForeignKey("categories.id"), nullable=False),
    sa.Column("brand", sa.String(60)),
    sa.Column("price_paise", sa.BigInteger, nullable=False),
    sa.Column("original_price_paise", sa.BigInteger),
    sa.Column("unit", sa.String(5), nullable=False),
    sa.Column("pack_size", sa.Numeric(9, 3, asdecimal=False), nullable=False),
    sa.Column("weight_grams", sa.Integer, nullable=False),
    sa.Column("on_hand", sa.Integer, nullable=False),
    sa.Column("reserved", sa.Integer, nullable=False),
    sa.Column("low_stock_threshold", sa.Integer, nullable=False),
    sa.Column("low_since", sql.Instant),
    sa.Column("max_per_order", sa.Integer, nullable=False),
    sa.Column("tags", sql.Json, nullable=False),
    sa.Column("allergens", sql.Json, nullable=False),
    sa.Column("image_url", sa.String(500)),
    sa.Column("rating", sa.Numeric(2, 1, asdecimal=False)),
    sa.Column("rating_count", sa.Integer, nullable=False),
    sa.Column("sold_30d", sa.Integer, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", sql.Instant, nullable=False),
    sa.Column("updated_at", sql.Instant, nullable=False),
    sa.CheckConstraint("reserved >= 0 AND reserved <= on_hand", name="ck_products_stock"),
    sa.Index("ix_products_category", "category_id", "active"),
    sa.Index("ix_products_price", "active", "price_paise"),
    sa.Index("ix_products_brand", "brand"),
    sqlite_autoincrement=True,
)

product_images = sa.Table(
    "product_images",
    metadata,
    sa.Column("id", sql.Id, primary_key=True, autoincrement=True),
    sa.Column("product_id", sa.BigInteger, sa.ForeignKey("products.id"), nullable=False, index=True),
    sa.Column("alt", sa.String(150), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sqlite_autoincrement=True,  # an id is never used twice, so that a picture's address may be cached for ever
)

image_blobs = sa.Table(
    "image_blobs",
    metadata,
    sa.Column("image_id", sa.BigInteger, sa.ForeignKey("product_images.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("width", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("bytes", sa.LargeBinary(2**24 - 1), nullable=False),
)

reservations = sa.Table(
    "reservations",
    metadata,
    sa.Column("id", sql.Id, primary_key=True, autoincrement=True),
    sa.Column("reference", sa.String(128), nullable=False, unique=True),
    sa.Column("user_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("order_id", sa.BigInteger, index=True),  # learnt from order.created: later events name only the order
    sa.Column("state", sa.String(9), nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("expires_at", sql.Instant, nullable=False),
    sa.Column("decided_at", sql.Instant),
    sa.Index("ix_reservations_state", "state", "expires_at"),
    sqlite_autoincrement=True,
)

reservation_lines = sa.Table(
    "reservation_lines",
    metadata,
    sa.Column("reservation_id", sa.BigInteger, sa.ForeignKey("reservations.id"), primary_key=True),
    sa.Column("product_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("returned", sa.Integer, nullable=False),
    sa.Column("snapshot", sql.Json, nullable=False),  # what the first answer said, so that a repeat says the same
)

stock_ledger = sa.Table(
    "stock_ledger",
    metadata,
    sa.Column("id", sql.Id, primary_key=True, autoincrement=True),
    sa.Column("product_id", sa.BigInteger, nullable=False),
    sa.Column("on_hand_delta", sa.Integer, nullable=False),
    sa.Column("reserved_delta", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("reference", sa.String(128)),
    sa.Column("actor", sa.String(64), nullable=False),
    sa.Column("note", sa.String(200)),
    sa.Column("at", sql.Instant, nullable=False),
    sa.Index("ix_stock_ledger_product", "product_id", "id"),
    sa.UniqueConstraint("reference", "product_id", "kind", name="uq_stock_ledger_step"),
)
