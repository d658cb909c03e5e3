"""The first schema of `revcart_admin`: what a release before migrations made, too."""

import sqlalchemy as sa
from alembic import op

from revcart.kit import columns

revision = "v0001"
down_revision = None


def upgrade() -> None:
    _audit_head()
    _audit_log()


def _audit_head() -> None:
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("last_id", sa.BigInteger, nullable=False),
        sa.Column("last_hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("at", columns.Instant, nullable=False),
        sa.Column("actor_id", sa.BigInteger, nullable=False),
        sa.Column("actor_email", sa.String(254), nullable=False),
        sa.Column("actor_ip", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("entity_type", sa.String(32), nullable=False),
        sa.Column("entity_id", sa.String(64)),
        sa.Column("before", columns.LongText),
        sa.Column("after", columns.LongText),
        sa.Column("outcome", sa.String(8), nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_audit_log_action", "audit_log", ["action", "id"])
    op.create_index("ix_audit_log_actor", "audit_log", ["actor_id", "id"])
    op.create_index("ix_audit_log_at", "audit_log", ["at"])
    op.create_index("ix_audit_log_entity", "audit_log", ["entity_type", "entity_id", "id"])
