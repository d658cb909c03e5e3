"""The operator's HTTP: `/healthz` and `/readyz` on one port, `/metrics` on another."""

from collections.abc import Callable

import prometheus_client as prometheus
from aiohttp import web

from revcart.kit import telemetry
from revcart_operator.process import vigil

logger = telemetry.get_logger(__name__)


class Pages:
    """`ready`: whether the API server answered; one that waits for the Lease is ready as well."""

    def __init__(
        self, *, registry: prometheus.CollectorRegistry, vigil: vigil.Vigil, ready: Callable[[], bool]
    ) -> None:
        self._registry = registry
        self._vigil = vigil
        self._ready = ready
        self._runners: list[web.AppRunner] = []

    async def open(self, *, host: str, health_port: int, metrics_port: int) -> None:
        """Serve; port 0 takes a free one. Raises OSError when a port is taken."""
        health, metrics = web.Application(), web.Application()
        health.router.add_get("/healthz", self._healthz)
        health.router.add_get("/readyz", self._readyz)
        metrics.router.add_get("/metrics", self._metrics)
        for name, app, port in (("health", health, health_port), ("metrics", metrics, metrics_port)):
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
            await runner.setup()
            self._runners.append(runner)
            await web.TCPSite(runner, host, port).start()
            logger.info("page.open", page=name, port=runner.addresses[0][1])

    async def close(self) -> None:
        """Stop serving."""
        for runner in self._runners:
            await runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        problems = self._vigil.problems()
        if problems:
            logger.error("operator.not-alive", problems=problems[:5])
        return web.json_response({"problems": problems}, status=503 if problems else 200)

    async def _readyz(self, _: web.Request) -> web.Response:
        ready = self._ready()
        return web.json_response({"ready": ready}, status=200 if ready else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=prometheus.generate_latest(self._registry), headers={"Content-Type": prometheus.CONTENT_TYPE_LATEST}
        )
