"""A platform in one process: starts whole or not at all, ends in order, and keeps what it was given."""

import asyncio
import contextlib
import json
import socket
import stat
import types
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from revcart.kit import settings as kit_settings
from revcart_operator.local import modules, refusals, runtime
from revcart_operator.platform import catalogue, loading, spec

PLATFORM = """\
apiVersion: platform.revcart.io/v1alpha1
kind: RevCartPlatform
metadata: {name: shop}
spec:
  version: "0.1.0"
"""


def platform(more: str = "") -> spec.RevCartPlatform:
    return loading.parse(PLATFORM + more)


class Settings(kit_settings.Settings):
    service: str = "fake"
    port: int = 0
    order_unpaid_seconds: int = 900


class Fakes:
    """Services made of nothing but a lifespan; they write down what happens to them."""

    def __init__(self, *, failing: str = "") -> None:
        self.told: list[str] = []
        self.settings: dict[str, Settings] = {}
        self.asked = asyncio.Event()
        self.release = asyncio.Event()
        self._failing = failing

    def load(self, service: catalogue.Service) -> modules.ServiceModule:
        module: Any = types.SimpleNamespace(
            Settings=Settings, create_app=lambda settings, *, hub: self._app(service.name, settings)
        )
        return module  # type: ignore[no-any-return]

    def _app(self, name: str, settings: Settings) -> Starlette:
        self.settings[name] = settings

        @contextlib.asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            if name == self._failing:
                raise OSError("the disk is full")
            self.told.append(f"{name} started")
            yield
            self.told.append(f"{name} stopped")

        async def hello(request: Request) -> JSONResponse:
            return JSONResponse({"service": name})

        async def slow(request: Request) -> PlainTextResponse:
            self.asked.set()
            await self.release.wait()
            self.told.append(f"{name} answered")
            return PlainTextResponse("done")

        return Starlette(lifespan=lifespan, routes=[Route("/hello", hello), Route("/slow", slow)])


def shop(fakes: Fakes, **more: Any) -> runtime.Runtime:
    chosen: dict[str, Any] = {"platform": platform(), "only": {"cart", "order"}, "ports": "ephemeral", **more}
    return runtime.Runtime(load=fakes.load, **chosen)


async def fetch(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url, timeout=aiohttp.ClientTimeout(5)) as answer:
        return await answer.text()


async def test_every_service_answers_on_a_port_of_its_own(tmp_path: Path) -> None:
    async with shop(Fakes(), data=tmp_path) as running:
        assert set(running.addresses) == {"cart", "order"}
        for service, address in running.addresses.items():
            assert json.loads(await fetch(f"{address}/hello")) == {"service": service}


async def test_without_ports_only_the_applications_run() -> None:
    fakes = Fakes()
    async with shop(fakes, serve=False) as running:
        assert running.app("cart") is not running.app("order")
        assert sorted(fakes.told) == ["cart started", "order started"]
        with pytest.raises(aiohttp.ClientConnectionError):
            await fetch(f"{running.addresses['cart']}/hello")
    assert sorted(fakes.told[2:]) == ["cart stopped", "order stopped"]


async def test_a_taken_port_is_named_before_anything_starts() -> None:
    fakes = Fakes()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        offset = taken.getsockname()[1] - catalogue.BY_NAME["order"].port
        with pytest.raises(
            refusals.PortTaken, match=rf"Port {taken.getsockname()[1]}, which order wants.*--port-offset"
        ):
            await shop(fakes, ports="catalogue", port_offset=offset).start()
    assert fakes.told == []
    assert fakes.settings == {}


async def test_a_second_platform_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    async with shop(Fakes(), data=tmp_path):
        with pytest.raises(refusals.AlreadyRunning, match="already runs on"):
            await shop(Fakes(), data=tmp_path).start()
    async with shop(Fakes(), data=tmp_path):
        pass  # the folder is free again


async def test_when_one_service_fails_the_others_are_stopped_and_everything_is_given_back(tmp_path: Path) -> None:
    fakes = Fakes(failing="order")
    with pytest.raises(refusals.FailedToStart, match="order did not start: OSError: the disk is full"):
        await shop(fakes, data=tmp_path).start()
    assert fakes.told == ["cart started", "cart stopped"]
    async with shop(Fakes(), data=tmp_path):
        pass


async def test_a_request_in_flight_is_finished_before_its_service_ends(tmp_path: Path) -> None:
    fakes = Fakes()
    running = shop(fakes, data=tmp_path)
    await running.start()
    asked = asyncio.create_task(fetch(f"{running.addresses['order']}/slow"))
    await asyncio.wait_for(fakes.asked.wait(), 5)
    stopping = asyncio.create_task(running.stop())
    await asyncio.sleep(0.2)
    with pytest.raises(aiohttp.ClientConnectionError):
        await fetch(f"{running.addresses['order']}/hello")  # nobody new is let in
    assert "order stopped" not in fakes.told
    fakes.release.set()
    assert await asked == "done"
    await stopping
    assert fakes.told.index("order answered") < fakes.told.index("order stopped")


async def test_secrets_are_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    first, second = Fakes(), Fakes()
    async with shop(first, data=tmp_path):
        pass
    async with shop(second, data=tmp_path):
        pass
    assert first.settings["order"].service_token_secrets == second.settings["order"].service_token_secrets
    assert len(first.settings["order"].service_token_secrets[0]) >= 32
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


async def test_settings_come_from_the_platform_and_the_last_word_from_overrides(tmp_path: Path) -> None:
    fakes = Fakes()
    wanted = platform(
        "  demoData: Enabled\n"
        "  serviceDefaults: {logLevel: WARNING}\n"
        "  services: {order: {env: [{name: REVCART_ORDER_UNPAID_SECONDS, value: '60'}]}}\n"
    )
    async with shop(fakes, platform=wanted, data=tmp_path, overrides={"cart": {"order_unpaid_seconds": 5}}) as running:
        order, cart = fakes.settings["order"], fakes.settings["cart"]
        assert (order.order_unpaid_seconds, cart.order_unpaid_seconds) == (60, 5)
        assert (order.log_level, order.demo_data) == ("WARNING", True)
        assert order.database_url == f"sqlite+aiosqlite:///{tmp_path}/databases/revcart_orders.sqlite"
        assert f":{order.port}" in running.addresses["order"]


async def test_a_refused_setting_is_named_and_its_value_is_not() -> None:
    wanted = platform("  services: {order: {env: [{name: REVCART_ORDER_UNPAID_SECONDS, value: soon}]}}\n")
    with pytest.raises(refusals.FailedToStart) as refused:
        await shop(Fakes(), platform=wanted).start()
    assert "order did not start: REVCART_ORDER_UNPAID_SECONDS" in str(refused.value)
    assert "soon" not in str(refused.value)


async def test_a_setting_that_no_service_has_is_refused_with_the_one_that_was_meant() -> None:
    wanted = platform("  serviceDefaults: {env: [{name: REVCART_ORDER_UNPAID_SECOND, value: '60'}]}\n")
    fakes = Fakes()
    with pytest.raises(refusals.UnreadVariable, match=r"Did you mean REVCART_ORDER_UNPAID_SECONDS\?"):
        await shop(fakes, platform=wanted).start()
    assert fakes.told == []


async def test_a_store_that_is_away_is_named_with_its_address_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as nobody:  # bound, not listening
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        where = f"{{host: 127.0.0.1, port: {port}, tls: {{mode: Disabled}}}}"
        wanted = platform(f"  stores: {{redis: {{mode: External, external: {where}}}}}\n")
        fakes = Fakes()
        with pytest.raises(refusals.StoresAway) as refused:
            await shop(fakes, platform=wanted, data=tmp_path).start()
    assert str(refused.value) == (
        f"The store redis at 127.0.0.1:{port} does not serve: nothing listens there; nothing was started."
    )
    assert fakes.told == []
    assert fakes.settings == {}
    assert not (tmp_path / "run.json").exists()


def test_a_service_that_is_not_written_is_a_loud_failure() -> None:
    unwritten = catalogue.Service(name="unwritten", port=1)
    with pytest.raises(refusals.NoSuchService, match=r"unwritten cannot be loaded from revcart\.unwritten\.app"):
        modules.load(unwritten)


def test_paysim_runs_only_while_payments_are_simulated() -> None:
    assert catalogue.PAYSIM in runtime.services_of(platform())
    live = platform("  services: {payment: {razorpay: {mode: Live, secretRef: {name: razorpay}}}}\n")
    assert catalogue.PAYSIM not in runtime.services_of(live)
