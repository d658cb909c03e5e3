"""The first schema of `revcart_delivery`: what a release before migrations made, too."""

import sqlalchemy as sa
from alembic import op

from revcart.kit import columns

revision = "v0001"
down_revision = None


def upgrade() -> None:
    _agent_locations()
    _agents()
    _deliveries()
    _delivery_attempts()
    _delivery_history()
    _delivery_requests()
    _inbox()
    _outbox()


def _agent_locations() -> None:
    op.create_table(
        "agent_locations",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("agent_id", sa.BigInteger, nullable=False),
        sa.Column("delivery_id", sa.BigInteger),
        sa.Column("lat", columns.Double, nullable=False),
        sa.Column("lng", columns.Double, nullable=False),
        sa.Column("accuracy_m", columns.Double),
        sa.Column("speed_kmph", columns.Double),
        sa.Column("heading", columns.Double),
        sa.Column("doubtful", sa.Boolean, nullable=False),
        sa.Column("recorded_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_agent_locations_agent_id", "agent_locations", ["agent_id"])
    op.create_index("ix_agent_locations_recorded_at", "agent_locations", ["recorded_at"])


def _agents() -> None:
    op.create_table(
        "agents",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("user_id", sa.BigInteger),
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("phone", sa.String(16), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("vehicle_type", sa.String(10), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("capacity", sa.Integer, nullable=False),
        sa.Column("load_count", sa.Integer, nullable=False),
        sa.Column("base_lat", columns.Double),
        sa.Column("base_lng", columns.Double),
        sa.Column("current_lat", columns.Double),
        sa.Column("current_lng", columns.Double),
        sa.Column("last_seen_at", columns.Instant),
        sa.Column("idle_since", columns.Instant),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("updated_at", columns.Instant, nullable=False),
        sa.CheckConstraint("load_count >= 0 AND load_count <= capacity", name="ck_agents_load"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email"),
        sa.UniqueConstraint("user_id"),
    )


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("request_id", sa.BigInteger, nullable=False),
        sa.Column("order_id", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("agent_id", sa.BigInteger),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("otp_version", sa.Integer, nullable=False),
        sa.Column("otp_tries", sa.Integer, nullable=False),
        sa.Column("otp_locked_at", columns.Instant),
        sa.Column("tracking_code", sa.String(22), nullable=False),
        sa.Column("accept_by", columns.Instant),
        sa.Column("accepted_at", columns.Instant),
        sa.Column("eta_at", columns.Instant),
        sa.Column("cod_collected_paise", sa.BigInteger),
        sa.Column("proof", sa.String(5)),
        sa.Column("failure_reason", sa.String(24)),
        sa.Column("assigned_at", columns.Instant, nullable=False),
        sa.Column("picked_up_at", columns.Instant),
        sa.Column("in_transit_at", columns.Instant),
        sa.Column("delivered_at", columns.Instant),
        sa.Column("failed_at", columns.Instant),
        sa.Column("cancelled_at", columns.Instant),
        sa.Column("published_location_at", columns.Instant),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("updated_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("order_id"),
        sa.UniqueConstraint("request_id"),
        sa.UniqueConstraint("tracking_code"),
    )
    op.create_index("ix_deliveries_agent_id", "deliveries", ["agent_id"])
    op.create_index("ix_deliveries_status", "deliveries", ["status"])
    op.create_index("ix_deliveries_user_id", "deliveries", ["user_id"])


def _delivery_attempts() -> None:
    op.create_table(
        "delivery_attempts",
        sa.Column("delivery_id", sa.BigInteger, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("agent_id", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(24), nullable=False),
        sa.Column("note", sa.String(300)),
        sa.Column("at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", "attempt"),
    )


def _delivery_history() -> None:
    op.create_table(
        "delivery_history",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("delivery_id", sa.BigInteger, nullable=False),
        sa.Column("from", sa.String(12)),
        sa.Column("to", sa.String(12), nullable=False),
        sa.Column("actor", columns.Json, nullable=False),
        sa.Column("reason", sa.String(200)),
        sa.Column("lat", columns.Double),
        sa.Column("lng", columns.Double),
        sa.Column("at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_delivery_history_delivery_id", "delivery_history", ["delivery_id"])


def _delivery_requests() -> None:
    op.create_table(
        "delivery_requests",
        sa.Column("id", columns.Id, nullable=False),
        sa.Column("order_id", sa.BigInteger, nullable=False),
        sa.Column("order_number", sa.String(20), nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("place", columns.Json, nullable=False),
        sa.Column("lat", columns.Double),
        sa.Column("lng", columns.Double),
        sa.Column("window_start", columns.Instant, nullable=False),
        sa.Column("window_end", columns.Instant, nullable=False),
        sa.Column("slot_id", sa.BigInteger),
        sa.Column("weight_g", sa.Integer, nullable=False),
        sa.Column("item_count", sa.Integer, nullable=False),
        sa.Column("cod_paise", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("due_at", columns.Instant, nullable=False),
        sa.Column("ready_at", columns.Instant),
        sa.Column("offers", sa.Integer, nullable=False),
        sa.Column("refused_agents", columns.Json, nullable=False),
        sa.Column("last_reason", sa.String(40)),
        sa.Column("alerted_at", columns.Instant),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("updated_at", columns.Instant, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("order_id"),
    )
    op.create_index("ix_delivery_requests_due_at", "delivery_requests", ["due_at"])
    op.create_index("ix_delivery_requests_state", "delivery_requests", ["state"])
    op.create_index("ix_delivery_requests_window_start", "delivery_requests", ["window_start"])


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
