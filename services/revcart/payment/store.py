"""Every query of payment."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from revcart.kit import pages, sql
from revcart.payment import domain

metadata = sa.MetaData()
sql.shared_tables(metadata, idempotency=True)

payments = sa.Table(
    "payments",
    metadata,
    sa.Column("id", sql.Id, primary_key=True),
    sa.Column("order_id", sa.BigInteger, nullable=False, unique=True),
    sa.Column("order_number", sa.String(20), nullable=False),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("method", sa.String(10), nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("amount_paise", sa.BigInteger, nullable=False),
    sa.Column("captured_paise", sa.BigInteger, nullable=False),
    sa.Column("refunded_paise", sa.BigInteger, nullable=False),
    sa.Column("razorpay_order_id", sa.String(40), unique=True),
    sa.Column("razorpay_payment_id", sa.String(40)),
    sa.Column("instrument", sa.String(20)),
    sa.Column("late", sa.Boolean, nullable=False),
    sa.Column("next_check_at", sql.Instant),
    sa.Column("checks", sa.Integer, nullable=False),
    sa.Column("expires_at", sql.Instant),
    sa.Column("completed_at", sql.Instant),
    sa.Column("created_at", sql.Instant, nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Index("ix_payments_status_next_check_at", "status", "next_check_at"),
    sa.Index("ix_payments_user_id", "user_id"),
)
attempts = sa.Table(
    "payment_attempts",
    metadata,
    sa.Column("id", sql.Id, primary_key=True),
    sa.Column("payment_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("razorpay_payment_id", sa.String(40), nullable=False, unique=True),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("amount_paise", sa.BigInteger, nullable=False),
    sa.Column("method", sa.String(20)),
    sa.Column("error_code", sa.String(64)),
    sa.Column("error_description", sa.String(255)),
    sa.Column("source", sa.String(10), nullable=False),
    sa.Column("at", sql.Instant, nullable=False),
)
closed_orders = sa.Table(
    "closed_orders",
    metadata,
    sa.Column("order_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("reason", sa.String(20), nullable=False),
    sa.Column("at", sql.Instant, nullable=False),
)
refunds = sa.Table(
    "refunds",
    metadata,
    sa.Column("id", sql.Id, primary_key=True),
    sa.Column("payment_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("refund_key", sa.String(100), nullable=False, unique=True),
    sa.Column("razorpay_payment_id", sa.String(40)),
    sa.Column("razorpay_refund_id", sa.String(40), unique=True),
    sa.Column("amount_paise", sa.BigInteger, nullable=False),
    sa.Column("status", sa.String(10), nullable=False, index=True),
    sa.Column("channel", sa.String(10), nullable=False),
    sa.Column("reason", sa.String(200), nullable=False),
    sa.Column("speed", sa.String(10), nullable=False),
    sa.Column("requested_by", sa.String(64), nullable=False),
    sa.Column("reference", sa.String(100)),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("tried_at", sql.Instant),
    sa.Column("created_at", sql.Instant, nullable=False),
    sa.Column("processed_at", sql.Instant),
)
webhook_events = sa.Table(
    "webhook_events",
    metadata,
    sa.Column("id", sql.Id, primary_key=True),
    sa.Column("event_id", sa.String(64), unique=True),
    sa.Column("event", sa.String(64), nullable=False),
    sa.Column("entity_id", sa.String(64), nullable=False),
    sa.Column("body", sa.Text(262_144), nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("received_at", sql.Instant, nullable=False),
    sa.UniqueConstraint("event", "entity_id", name="uq_webhook_events_event_entity"),
)

_SORTS = {"createdAt": payments.c.created_at, "amount": payments.c.amount_paise}
_OPEN = (domain.Status.PENDING, domain.Status.FAILED, domain.Status.AUTHORIZED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filter:
    """Which payments an ADMIN wants to see."""

    status: domain.Status | None = None
    method: domain.Method | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """A webhook as it is known: NEW, DONE or IGNORED."""

    id: int
    state: str


class Transaction(sql.Transaction):
    async def payment(self, **where: Any) -> domain.Payment | None:
        """The payment with these column values."""
        row = (await self.connection.execute(sa.select(payments).filter_by(**where))).mappings().first()
        return None if row is None else _payment(row)

    async def payment_for_update(self, **where: Any) -> domain.Payment | None:
        """The same, locked until the end of the transaction."""
        statement = sa.select(payments).filter_by(**where).with_for_update()
        row = (await self.connection.execute(statement)).mappings().first()
        return None if row is None else _payment(row)

    async def add_payment(self, payment: domain.Payment) -> bool:
        """Add it unless its order has one; whether it is new. Its `id` is given by the database."""
        values = dataclasses.asdict(payment)
        del values["id"]
        return await sql.insert_if_absent(self.connection, payments, values)

    async def save(self, payment: domain.Payment) -> domain.Payment:
        """Write a locked payment back."""
        saved = dataclasses.replace(payment, version=payment.version + 1)
        values = dataclasses.asdict(saved)
        del values["id"]
        await self.connection.execute(payments.update().where(payments.c.id == payment.id).values(**values))
        return saved

    async def claim_opening(self, payment_id: int, *, until: dt.datetime) -> bool:
        """Take the right to make the Razorpay order; `next_check_at` is the lease while there is none."""
        # Locked by its primary key first: MySQL may look for "none" in that index, and deadlock (see `due_checks`).
        present = await self.payment_for_update(id=payment_id)
        if present is None or present.razorpay_order_id is not None:
            return False
        if present.next_check_at is not None and present.next_check_at > self.clock.now():
            return False
        await self.check_at(payment_id, until)
        return True

    async def release_opening(self, payment_id: int) -> None:
        present = await self.payment_for_update(id=payment_id)
        if present is not None and present.razorpay_order_id is None:
            await self.check_at(payment_id, None)

    async def check_at(self, payment_id: int, at: dt.datetime | None) -> None:
        """Ask Razorpay about this payment at that time, or never again."""
        await self.connection.execute(payments.update().where(payments.c.id == payment_id).values(next_check_at=at))

    async def due_checks(self, *, limit: int) -> list[domain.Payment]:
        """Open Razorpay payments whose time has come; `claim_check` decides which replica asks.

        Not locked: a locking read by this index would lock entry and row in the other order than a change of the row
        does, and MySQL would end one of the two.
        """
        statement = (
            sa.select(payments)
            .where(
                payments.c.status.in_(_OPEN),
                payments.c.next_check_at <= self.clock.now(),
                payments.c.razorpay_order_id.is_not(None),
            )
            .order_by(payments.c.next_check_at)
            .limit(limit)
        )
        return [_payment(row) for row in (await self.connection.execute(statement)).mappings()]

    async def claim_check(self, payment: domain.Payment, at: dt.datetime | None, *, checks: int) -> bool:
        """Move a due payment to its next time, unless another replica did since it was read."""
        as_read = (payments.c.next_check_at == payment.next_check_at, payments.c.checks == payment.checks)
        statement = payments.update().where(payments.c.id == payment.id, *as_read)
        return (await self.connection.execute(statement.values(next_check_at=at, checks=checks))).rowcount == 1

    async def checkable(self, *, since: dt.datetime, limit: int) -> list[domain.Payment]:
        """Payments with a Razorpay order made since then, newest first."""
        statement = (
            sa.select(payments)
            .where(payments.c.razorpay_order_id.is_not(None), payments.c.created_at >= since)
            .order_by(payments.c.id.desc())
            .limit(limit)
        )
        return [_payment(row) for row in (await self.connection.execute(statement)).mappings()]

    async def page(self, wanted: Filter, *, query: pages.PageQuery) -> tuple[list[domain.Payment], int]:
        """One page of payments and how many there are in all."""
        conditions = [
            payments.c[name] == value
            for name, value in (("status", wanted.status), ("method", wanted.method))
            if value is not None
        ]
        if wanted.since is not None:
            conditions.append(payments.c.created_at >= wanted.since)
        if wanted.until is not None:
            conditions.append(payments.c.created_at < wanted.until)
        order = [_SORTS[name].desc() if descending else _SORTS[name].asc() for name, descending in query.sort]
        statement = sa.select(payments).where(*conditions).order_by(*order, payments.c.id)
        rows = (await self.connection.execute(statement.offset(query.offset).limit(query.limit))).mappings()
        found = [_payment(row) for row in rows]
        count = sa.select(sa.func.count()).select_from(payments).where(*conditions)
        return found, (await self.connection.execute(count)).scalar_one()

    async def payments_of_user(self, user_id: int) -> list[domain.Payment]:
        statement = sa.select(payments).where(payments.c.user_id == user_id).order_by(payments.c.id)
        return [_payment(row) for row in (await self.connection.execute(statement)).mappings()]

    async def attempts(self, *payment_ids: int) -> dict[int, list[domain.Attempt]]:
        """The attempts of each of these payments, oldest first."""
        found: dict[int, list[domain.Attempt]] = {payment_id: [] for payment_id in payment_ids}
        statement = sa.select(attempts).where(attempts.c.payment_id.in_(payment_ids)).order_by(attempts.c.id)
        for row in (await self.connection.execute(statement)).mappings():
            found[row["payment_id"]].append(_attempt(row))
        return found

    async def save_attempt(self, payment_id: int, attempt: domain.Attempt) -> None:
        values = {"payment_id": payment_id, **dataclasses.asdict(attempt)}
        await sql.upsert(self.connection, attempts, values, keys=["razorpay_payment_id"])

    async def closed(self, order_id: int) -> domain.Closed | None:
        statement = sa.select(closed_orders.c.reason).where(closed_orders.c.order_id == order_id)
        reason = (await self.connection.execute(statement)).scalar_one_or_none()
        return None if reason is None else domain.Closed(reason)

    async def close(self, order_id: int, *, reason: domain.Closed, at: dt.datetime) -> None:
        """Remember that this order takes no money. A firm reason replaces ASKED, never the other way."""
        values = {"order_id": order_id, "reason": reason, "at": at}
        if reason == domain.Closed.ASKED:
            await sql.insert_if_absent(self.connection, closed_orders, values)
        else:
            await sql.upsert(self.connection, closed_orders, values, keys=["order_id"])

    async def refund(self, **where: Any) -> domain.Refund | None:
        row = (await self.connection.execute(sa.select(refunds).filter_by(**where))).mappings().first()
        return None if row is None else _refund(row)

    async def refunds(self, *payment_ids: int) -> dict[int, list[domain.Refund]]:
        """The refunds of each of these payments, oldest first."""
        found: dict[int, list[domain.Refund]] = {payment_id: [] for payment_id in payment_ids}
        statement = sa.select(refunds).where(refunds.c.payment_id.in_(payment_ids)).order_by(refunds.c.id)
        for row in (await self.connection.execute(statement)).mappings():
            found[row["payment_id"]].append(_refund(row))
        return found

    async def add_refund(self, values: Mapping[str, Any]) -> tuple[domain.Refund, bool]:
        """The refund under this `refund_key`, and whether it is new."""
        row = {"speed": "normal", "status": domain.RefundStatus.PENDING, "tries": 0, "created_at": self.clock.now()}
        is_new = await sql.insert_if_absent(self.connection, refunds, {**row, **values})
        found = await self.refund(refund_key=values["refund_key"])
        assert found is not None, "it was just written"
        return found, is_new

    async def save_refund(self, refund_id: int, **values: Any) -> None:
        await self.connection.execute(refunds.update().where(refunds.c.id == refund_id).values(**values))

    async def claim_try(self, refund: domain.Refund) -> bool:
        """Count a try, unless somebody else did since `refund` was read."""
        mine = sa.and_(refunds.c.id == refund.id, refunds.c.tries == refund.tries)
        values = {"tries": refund.tries + 1, "tried_at": self.clock.now()}
        return (await self.connection.execute(refunds.update().where(mine).values(**values))).rowcount == 1

    async def pending_refunds(self, *, limit: int) -> list[domain.Refund]:
        """Unfinished refunds through Razorpay, those that waited longest first."""
        statement = (
            sa.select(refunds)
            .where(refunds.c.status == domain.RefundStatus.PENDING, refunds.c.channel == domain.Channel.RAZORPAY)
            .order_by(sa.func.coalesce(refunds.c.tried_at, refunds.c.created_at))
            .limit(limit)
        )
        return [_refund(row) for row in (await self.connection.execute(statement)).mappings()]

    async def seen_webhook(self, *, event_id: str | None, event: str, entity_id: str, body: str) -> Seen:
        """Write the webhook down unless it is known by its id or by what it tells; gives the row."""
        values = {
            "event_id": event_id,
            "event": event,
            "entity_id": entity_id,
            "body": body,
            "state": "NEW",
            "received_at": self.clock.now(),
        }
        await sql.insert_if_absent(self.connection, webhook_events, values)
        same = sa.and_(webhook_events.c.event == event, webhook_events.c.entity_id == entity_id)
        if event_id is not None:
            same = sa.or_(same, webhook_events.c.event_id == event_id)
        row = (await self.connection.execute(sa.select(webhook_events).where(same))).mappings().first()
        assert row is not None, "it was just written"
        return Seen(id=row["id"], state=row["state"])

    async def mark_webhook(self, webhook_id: int, state: str) -> None:
        await self.connection.execute(
            webhook_events.update().where(webhook_events.c.id == webhook_id).values(state=state)
        )


class Store(sql.Store[Transaction]):
    """The payments database."""


def _payment(row: sa.RowMapping) -> domain.Payment:
    return domain.Payment(
        **{**row, "method": domain.Method(row["method"]), "status": domain.Status(row["status"])},
    )


def _attempt(row: sa.RowMapping) -> domain.Attempt:
    values = {name: value for name, value in row.items() if name not in ("id", "payment_id")}
    return domain.Attempt(
        **{**values, "status": domain.AttemptStatus(row["status"]), "source": domain.Via(row["source"])},
    )


def _refund(row: sa.RowMapping) -> domain.Refund:
    return domain.Refund(
        **{**row, "status": domain.RefundStatus(row["status"]), "channel": domain.Channel(row["channel"])},
    )
