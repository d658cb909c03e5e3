"""The first schema of `revcart_auth`: what a release before migrations made, too."""

import sqlalchemy as sa
from alembic import op

from revcart.kit import columns

revision = "v0001"
down_revision = None


def upgrade() -> None:
    _account_audit()
    _accounts()
    _inbox()
    _login_failures()
    _one_time_codes()
    _outbox()
    _refresh_tokens()
    _sessions()
    _signing_keys()


def _account_audit() -> None:
    op.create_table(
        "account_audit",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("actor_id", sa.BigInteger),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("ip", sa.String(45)),
        sa.Column("detail", columns.Json, nullable=False),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_account_audit_account", "account_audit", ["account_id", "created_at"])


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("email_norm", sa.String(254), nullable=False),
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("phone", sa.String(16)),
        sa.Column("password_hash", sa.String(72)),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("email_verified", sa.Boolean, nullable=False),
        sa.Column("pending_email", sa.String(254)),
        sa.Column("password_changed_at", columns.Instant),
        sa.Column("last_login_at", columns.Instant),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("updated_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email_norm"),
    )
    op.create_index("ix_accounts_name", "accounts", ["name"])
    op.create_index("ix_accounts_pending_email", "accounts", ["pending_email"])
    op.create_index("ix_accounts_role_status", "accounts", ["role", "status"])


def _inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("consumer_group", sa.String(64), nullable=False),
        sa.Column("event_id", sa.String(64), nullable=False),
        sa.Column("received_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("consumer_group", "event_id"),
    )
    op.create_index("ix_inbox_received_at", "inbox", ["received_at"])


def _login_failures() -> None:
    op.create_table(
        "login_failures",
        sa.Column("email_hash", sa.BINARY(32), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("locked_until", columns.Instant),
        sa.Column("notified_at", columns.Instant),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("updated_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("email_hash"),
    )


def _one_time_codes() -> None:
    op.create_table(
        "one_time_codes",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("code_hash", sa.BINARY(32), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("expires_at", columns.Instant, nullable=False),
        sa.Column("used_at", columns.Instant),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("updated_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_one_time_codes_account", "one_time_codes", ["account_id", "purpose"])
    op.create_index("ix_one_time_codes_hash", "one_time_codes", ["code_hash"])


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


def _refresh_tokens() -> None:
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", sa.BINARY(32), nullable=False),
        sa.Column("sid", sa.String(36), nullable=False),
        sa.Column("expires_at", columns.Instant, nullable=False),
        sa.Column("used_at", columns.Instant),
        sa.Column("replaced_by", sa.BINARY(32)),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("updated_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("ix_refresh_tokens_expires", "refresh_tokens", ["expires_at"])
    op.create_index("ix_refresh_tokens_sid", "refresh_tokens", ["sid"])


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("sid", sa.String(36), nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("user_agent", sa.String(255)),
        sa.Column("ip", sa.String(45)),
        sa.Column("last_used_at", columns.Instant, nullable=False),
        sa.Column("expires_at", columns.Instant, nullable=False),
        sa.Column("revoked_at", columns.Instant),
        sa.Column("revoke_reason", sa.String(32)),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("updated_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("sid"),
    )
    op.create_index("ix_sessions_account", "sessions", ["account_id", "revoked_at"])
    op.create_index("ix_sessions_expires", "sessions", ["expires_at"])


def _signing_keys() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(36), nullable=False),
        sa.Column("public_jwk", columns.Json, nullable=False),
        sa.Column("private_encrypted", sa.LargeBinary(8192), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("slot", sa.String(8)),
        sa.Column("activated_at", columns.Instant),
        sa.Column("retired_at", columns.Instant),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("updated_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("kid"),
        sa.UniqueConstraint("slot"),
    )
