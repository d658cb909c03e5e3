"""Switches that make the double misbehave the way Razorpay, a bank or the network does now and then."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, Literal

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from revcart.paysim import domain

Name = Literal[
    "latencyMs",
    "timeoutAfterCommit",
    "http500",
    "rateLimit",
    "lateAuthorizeSeconds",
    "autoCapture",
    "refundPending",
    "refundFail",
    "webhookDrop",
    "webhookDelayMs",
    "webhookDuplicate",
    "webhookReorder",
    "webhookBadSignature",
    "webhookNoEventId",
    "amountTampered",
]
Value = bool | int | float


class Switch(BaseModel):
    """One fault: its value, for the next `count` uses or a share `rate` of them, on paths that contain `path`."""

    model_config = ConfigDict(extra="forbid")

    value: Value = True
    count: int | None = Field(default=None, ge=1)
    rate: float | None = Field(default=None, gt=0, le=1)
    path: str | None = None


Switches = dict[Name, Switch | Value]


class Faults:
    """The switches that are on. Memory only: a restart is an honest Razorpay again."""

    def __init__(self) -> None:
        self._on: dict[Name, Switch] = {}
        self._chance = random.Random()

    def replace(self, switches: Switches) -> None:
        self._on = {
            name: switch if isinstance(switch, Switch) else Switch(value=switch) for name, switch in switches.items()
        }

    def listed(self) -> dict[str, dict[str, Any]]:
        return {name: switch.model_dump() for name, switch in self._on.items()}

    def is_on(self, name: Name) -> bool:
        return name in self._on

    def take(self, name: Name, *, path: str = "") -> Value | None:
        """The value of a switch that applies now, using up one of its count; None when it does not."""
        switch = self._on.get(name)
        if switch is None or (switch.path is not None and switch.path not in path):
            return None
        if switch.rate is not None and self._chance.random() >= switch.rate:
            return None
        if switch.count is not None:
            if switch.count == 1:
                del self._on[name]
            else:
                self._on[name] = switch.model_copy(update={"count": switch.count - 1})
        return switch.value


class FaultyRoute(APIRoute):
    """A route of Razorpay's API: slow, refused or cut off after its effect when a switch says so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_with_faults(request: Request) -> Response:
            faults: Faults = request.app.state.ports.faults
            path = request.url.path
            latency = faults.take("latencyMs", path=path)
            if latency:
                await asyncio.sleep(float(latency) / 1000)
            if faults.take("rateLimit", path=path):
                raise domain.Refused(
                    "Request failed. Please try again.",
                    status=429,
                    reason="rate_limit_exceeded",
                )
            if faults.take("http500", path=path):
                raise domain.Refused(
                    "We are facing some trouble completing your request at the moment. Please try again shortly.",
                    status=500,
                    code="SERVER_ERROR",
                    reason="server_error",
                    source="internal",
                )
            response = await handle(request)
            hold = faults.take("timeoutAfterCommit", path=path) if request.method == "POST" else None
            if hold:
                await _hold(request, seconds=30.0 if hold is True else float(hold))
            return response

        return handle_with_faults


async def _hold(request: Request, *, seconds: float) -> None:
    """Say nothing for so long, or until the caller has gone, then fail: the effect stays."""
    for _ in range(max(1, round(seconds * 10))):
        if await request.is_disconnected():
            break
        await asyncio.sleep(0.1)
    raise domain.Refused(
        "The gateway did not answer in time.",
        status=504,
        code="GATEWAY_ERROR",
        reason="timed_out",
    )
