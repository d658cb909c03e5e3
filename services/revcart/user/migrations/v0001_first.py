"""The first schema of `revcart_users`: what a release before migrations made, too."""

import sqlalchemy as sa
from alembic import op

from revcart.kit import columns

revision = "v0001"
down_revision = None


def upgrade() -> None:
    _addresses()
    _inbox()
    _preferences()
    _profiles()


def _addresses() -> None:
    op.create_table(
        "addresses",
        sa.Column("id", columns.Id, nullable=False),
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
        sa.Column("lat", sa.Double()),
        sa.Column("lng", sa.Double()),
        sa.Column("instructions", sa.String(200)),
        sa.Column("default_of", sa.BigInteger),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("updated_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("default_of"),
    )
    op.create_index("ix_addresses_user", "addresses", ["user_id"])


def _inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("consumer_group", sa.String(64), nullable=False),
        sa.Column("event_id", sa.String(64), nullable=False),
        sa.Column("received_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("consumer_group", "event_id"),
    )
    op.create_index("ix_inbox_received_at", "inbox", ["received_at"])


def _preferences() -> None:
    op.create_table(
        "preferences",
        sa.Column("user_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("locale", sa.String(8), nullable=False),
        sa.Column("substitution", sa.String(16), nullable=False),
        sa.Column("theme", sa.String(8), nullable=False),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("updated_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("user_id"),
    )


def _profiles() -> None:
    op.create_table(
        "profiles",
        sa.Column("user_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("phone", sa.String(16)),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("email_verified", sa.Boolean, nullable=False),
        sa.Column("avatar_url", sa.String(500)),
        sa.Column("date_of_birth", sa.Date),
        sa.Column("synced_at", columns.Instant, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("updated_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("user_id"),
    )
