"""The tables of `revcart_auth`. Tokens, codes and links are kept as digests only."""

import sqlalchemy as sa

from revcart.kit import sql

metadata = sa.MetaData()
sql.shared_tables(metadata, outbox=True)


def _created() -> sa.Column[object]:
    return sa.Column("created_at", sql.Instant, nullable=False)


def _updated() -> sa.Column[object]:
    return sa.Column("updated_at", sql.Instant, nullable=False)


accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", sql.Id, primary_key=True, autoincrement=True),
    sa.Column("email", sa.String(254), nullable=False),
    sa.Column("email_norm", sa.String(254), nullable=False, unique=True),
    sa.Column("name", sa.String(50), nullable=False),
    sa.Column("phone", sa.String(16)),
    sa.Column("password_hash", sa.String(72)),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("email_verified", sa.Boolean, nullable=False),
    sa.Column("pending_email", sa.String(254)),
    sa.Column("password_changed_at", sql.Instant),
    sa.Column("last_login_at", sql.Instant),
    sa.Column("version", sa.Integer, nullable=False),
    _created(),
    _updated(),
    sa.Index("ix_accounts_role_status", "role", "status"),
    sa.Index("ix_accounts_name", "name"),
    sa.Index("ix_accounts_pending_email", "pending_email"),  # verify-email finds a change by its new address
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("sid", sa.String(36), primary_key=True),
    sa.Column("account_id", sa.BigInteger, nullable=False),
    sa.Column("method", sa.String(16), nullable=False),
    sa.Column("user_agent", sa.String(255)),
    sa.Column("ip", sa.String(45)),
    sa.Column("last_used_at", sql.Instant, nullable=False),
    sa.Column("expires_at", sql.Instant, nullable=False),
    sa.Column("revoked_at", sql.Instant),
    sa.Column("revoke_reason", sa.String(32)),
    _created(),
    _updated(),
    sa.Index("ix_sessions_account", "account_id", "revoked_at"),
    sa.Index("ix_sessions_expires", "expires_at"),
)

refresh_tokens = sa.Table(
    "refresh_tokens",
    metadata,
    sa.Column("token_hash", sa.BINARY(32), primary_key=True),
    sa.Column("sid", sa.String(36), nullable=False),
    sa.Column("expires_at", sql.Instant, nullable=False),
    sa.Column("used_at", sql.Instant),
    sa.Column("replaced_by", sa.BINARY(32)),
    _created(),
    _updated(),
    sa.Index("ix_refresh_tokens_sid", "sid"),
    sa.Index("ix_refresh_tokens_expires", "expires_at"),
)

one_time_codes = sa.Table(
    "one_time_codes",
    metadata,
    sa.Column("id", sql.Id, primary_key=True, autoincrement=True),
    sa.Column("account_id", sa.BigInteger, nullable=False),
    sa.Column("purpose", sa.String(16), nullable=False),
    sa.Column("code_hash", sa.BINARY(32), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("expires_at", sql.Instant, nullable=False),
    sa.Column("used_at", sql.Instant),
    _created(),
    _updated(),
    sa.Index("ix_one_time_codes_account", "account_id", "purpose"),
    sa.Index("ix_one_time_codes_hash", "code_hash"),
)

login_failures = sa.Table(
    "login_failures",
    metadata,
    sa.Column("email_hash", sa.BINARY(32), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("locked_until", sql.Instant),
    sa.Column("notified_at", sql.Instant),
    _created(),
    _updated(),
)

signing_keys = sa.Table(
    "signing_keys",
    metadata,
    sa.Column("kid", sa.String(36), primary_key=True),
    sa.Column("public_jwk", sql.Json, nullable=False),
    sa.Column("private_encrypted", sa.LargeBinary(8192), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    # ACTIVE or NEXT, null once retired: the unique key, not the code, sees to one signer whatever the replicas.
    sa.Column("slot", sa.String(8), unique=True),
    sa.Column("activated_at", sql.Instant),
    sa.Column("retired_at", sql.Instant),
    _created(),
    _updated(),
)

account_audit = sa.Table(
    "account_audit",
    metadata,
    sa.Column("id", sql.Id, primary_key=True, autoincrement=True),
    sa.Column("account_id", sa.BigInteger, nullable=False),
    sa.Column("actor_id", sa.BigInteger),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("ip", sa.String(45)),
    sa.Column("detail", sql.Json, nullable=False),
    _created(),
    sa.Index("ix_account_audit_account", "account_id", "created_at"),
)
