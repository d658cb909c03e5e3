"""The tables of `revcart_users`."""

import sqlalchemy as sa

from revcart.kit import sql

metadata = sa.MetaData()
sql.shared_tables(metadata, outbox=False, inbox=True)


def _times() -> tuple[sa.Column[object], sa.Column[object]]:
    return sa.Column("created_at", sql.Instant, nullable=False), sa.Column("updated_at", sql.Instant, nullable=False)


profiles = sa.Table(
    "profiles",
    metadata,
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(50), nullable=False),
    sa.Column("email", sa.String(254), nullable=False),
    sa.Column("phone", sa.String(16)),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("email_verified", sa.Boolean, nullable=False),
    sa.Column("avatar_url", sa.String(500)),
    sa.Column("date_of_birth", sa.Date),
    sa.Column("synced_at", sql.Instant, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    *_times(),
)

addresses = sa.Table(
    "addresses",
    metadata,
    sa.Column("id", sql.Id, primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("label", sa.String(8), nullable=False),
    sa.Column("name", sa.String(50), nullable=False),
    sa.Column("phone", sa.String(16), nullable=False),
    sa.Column("line1", sa.String(120), nullable=False),
    sa.Column("line2", sa.String(120)),
    sa.Column("landmark", sa.String(120)),
    sa.Column("city", sa.String(60), nullable=False),
    sa.Column("state", sa.String(60), nullable=False),
    sa.Column("postal_code", sa.String(12), nullable=False),
    sa.Column("country", sa.String(2), nullable=False),
    sa.Column("lat", sa.Double),
    sa.Column("lng", sa.Double),
    sa.Column("instructions", sa.String(200)),
    # The user's id on the default address, null on the others: a unique key holds it to one.
    sa.Column("default_of", sa.BigInteger, unique=True),
    *_times(),
    sa.Index("ix_addresses_user", "user_id"),
)

preferences = sa.Table(
    "preferences",
    metadata,
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("locale", sa.String(8), nullable=False),
    sa.Column("substitution", sa.String(16), nullable=False),
    sa.Column("theme", sa.String(8), nullable=False),
    *_times(),
)
