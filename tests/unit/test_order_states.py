"""The state table of an order, tried pair by pair against the running service."""

import dataclasses
import itertools
from collections.abc import AsyncIterator

import pytest
from tests.flow import orders

from revcart.order import domain, refusals, steps
from revcart.order.ports import Ports

EXPECTED = {
    ("PENDING", "CONFIRM"): ("CONFIRMED", {"SYSTEM"}),
    ("PENDING", "CANCEL"): ("CANCELLED", {"USER", "ADMIN", "SYSTEM"}),
    ("PENDING", "EXPIRE"): ("CANCELLED", {"SYSTEM"}),
    ("CONFIRMED", "PREPARE"): ("PREPARING", {"ADMIN", "SYSTEM"}),
    ("CONFIRMED", "CANCEL"): ("CANCELLED", {"USER", "ADMIN"}),
    ("PREPARING", "DISPATCH"): ("OUT_FOR_DELIVERY", {"ADMIN", "SYSTEM"}),
    ("PREPARING", "CANCEL"): ("CANCELLED", {"ADMIN"}),
    ("OUT_FOR_DELIVERY", "DELIVER"): ("DELIVERED", {"ADMIN", "SYSTEM"}),
    ("OUT_FOR_DELIVERY", "CANCEL"): ("CANCELLED", {"ADMIN", "SYSTEM"}),
}


@pytest.fixture
async def world() -> AsyncIterator[orders.World]:
    async with orders.world() as made:
        yield made


@pytest.mark.regression("R28")
async def test_r28_only_listed_transitions(world: orders.World) -> None:
    placed = await world.place()
    ports = world.app.state.ports
    async with ports.store.read() as tx:
        kept = await tx.order(placed["id"])
    triples = itertools.product(domain.Status, domain.Action, domain.Kind)
    refused = 0
    for status, action, kind in triples:
        listed = EXPECTED.get((status, action))
        is_allowed = listed is not None and kind in listed[1]
        outcome = await _tried(ports, dataclasses.replace(kept, status=status), action, kind)
        if is_allowed:
            assert listed is not None
            assert outcome == listed[0], f"{kind} may {action} from {status}"
        else:
            assert isinstance(outcome, refusals.TransitionNotAllowed), f"{kind} may not {action} from {status}"
            assert (outcome.status, outcome.members["from"]) == (409, status)
            refused += 1
        async with ports.store.read() as tx:
            assert await tx.order(placed["id"]) == kept
            assert len(await tx.history(placed["id"])) == 1
    assert refused == 6 * 7 * 3 - sum(len(by) for _, by in EXPECTED.values())
    await world.settled()
    assert [event.type for event in world.published] == ["order.created"]


class _Undo(Exception):
    pass


async def _tried(
    ports: Ports, order: domain.Order, action: domain.Action, kind: domain.Kind
) -> domain.Status | refusals.TransitionNotAllowed:
    """What comes of the action, in a transaction that is undone."""
    after: list[domain.Status] = []
    try:
        async with ports.store.transaction() as tx:
            await tx.save(order)
            taken = await steps.take(tx, order, action, actor=domain.Actor(kind, 1), timezone="Asia/Kolkata")
            after.append(taken.status)
            raise _Undo
    except _Undo:
        return after[0]
    except refusals.TransitionNotAllowed as refusal:
        return refusal


def test_steps_to_a_goal() -> None:
    confirmed, preparing = domain.Status.CONFIRMED, domain.Status.PREPARING
    away, delivered = domain.Status.OUT_FOR_DELIVERY, domain.Status.DELIVERED
    assert domain.steps_to(confirmed, away) == ["PREPARE", "DISPATCH"]
    assert domain.steps_to(preparing, delivered) == ["DISPATCH", "DELIVER"]
    assert domain.steps_to(away, away) == []
    assert domain.steps_to(delivered, away) == []
    assert domain.steps_to(domain.Status.CANCELLED, delivered) == []
