"""Razorpay behind its official SDK, which is synchronous: each call runs in a thread, within a time limit.

Only this module imports the SDK, and only when the first call is made.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from revcart.kit import breaker, clock, errors, telemetry
from revcart.payment import domain, entities

log = telemetry.get_logger(__name__)

_TEMPORARY = {408, 409, 425, 429}  # 409: the first request with this idempotency key is still running


class Rejected(Exception):
    """Razorpay understood the request and refuses it; trying again would not help."""


class _Away(Exception):
    """No answer, or one that says "later"."""


class Razorpay:
    """The account `key_id`. Without `key_secret` it is not set up, which looks like being away.

    Every method raises DependencyUnavailable("razorpay") when there is no answer within `seconds`.
    """

    def __init__(
        self, *, url: str, key_id: str, key_secret: str, seconds: float, clock: clock.Clock, metrics: telemetry.Metrics
    ) -> None:
        self.key_id = key_id
        self._url = url.rstrip("/")
        self._auth = (key_id, key_secret)
        self._seconds = seconds
        self._breaker = breaker.Breaker(clock=clock)
        metrics.gauge(*breaker.METRIC).labels("razorpay").set_function(lambda: self._breaker.state.level)
        self._made: Any = None

    async def create_order(self, *, receipt: str, amount_paise: int, notes: dict[str, str]) -> entities.Order:
        """A Razorpay order of `amount_paise`."""
        data = {"amount": amount_paise, "currency": domain.CURRENCY, "receipt": receipt, "notes": notes}
        return entities.Order.model_validate(await self._call(lambda sdk: sdk.order.create(dict(data))))

    async def order_of_receipt(self, receipt: str, *, amount_paise: int) -> entities.Order | None:
        """The order made earlier under this receipt and for this amount, if there is one."""
        answer = await self._call(lambda sdk: sdk.order.all({"receipt": receipt}))
        orders = [entities.Order.model_validate(item) for item in answer["items"]]
        fitting = [o for o in orders if (o.receipt, o.amount, o.currency) == (receipt, amount_paise, domain.CURRENCY)]
        return fitting[-1] if fitting else None

    async def payments_of_order(self, razorpay_order_id: str) -> list[entities.Payment]:
        """Every attempt at this order, oldest first."""
        answer = await self._call(lambda sdk: sdk.order.payments(razorpay_order_id))
        payments = [entities.Payment.model_validate(item) for item in answer["items"]]
        return sorted(payments, key=lambda payment: payment.created_at)

    async def payment(self, razorpay_payment_id: str) -> entities.Payment:
        """Raises Rejected when there is none."""
        return entities.Payment.model_validate(await self._call(lambda sdk: sdk.payment.fetch(razorpay_payment_id)))

    async def capture(self, razorpay_payment_id: str, *, amount_paise: int) -> entities.Payment:
        """Take what is authorised. Raises Rejected, for instance when it is captured already."""
        # The third argument is the SDK's mutable default; left out, calls would share it.
        data = {"currency": domain.CURRENCY}
        answer = await self._call(lambda sdk: sdk.payment.capture(razorpay_payment_id, amount_paise, dict(data)))
        return entities.Payment.model_validate(answer)

    async def refund(self, refund: domain.Refund) -> entities.Refund:
        """Send this refund; the same one again gives the same answer. Raises Rejected."""
        data = {"amount": refund.amount_paise, "speed": refund.speed, "receipt": refund.number}
        headers = {"X-Refund-Idempotency": refund.number}

        def send(sdk: Any) -> Any:
            return sdk.payment.refund(refund.razorpay_payment_id, dict(data), headers=dict(headers))

        return entities.Refund.model_validate(await self._call(send))

    async def refund_of_id(self, razorpay_refund_id: str) -> entities.Refund:
        """Raises Rejected when there is none."""
        return entities.Refund.model_validate(await self._call(lambda sdk: sdk.refund.fetch(razorpay_refund_id)))

    async def _call(self, ask: Callable[[Any], Any]) -> Any:
        if not self._auth[1]:
            raise errors.DependencyUnavailable("razorpay", retry_after=60)
        try:
            with self._breaker.admit() as permit:
                try:
                    async with asyncio.timeout(self._seconds + 0.5):
                        answer = await asyncio.to_thread(self._ask, ask)
                except (_Away, TimeoutError):
                    permit.failed()
                    raise
                except Rejected:
                    permit.succeeded()
                    raise
                permit.succeeded()
                return answer
        except (_Away, TimeoutError, breaker.Open) as away:
            log.warning("razorpay.away", reason=type(away).__name__, detail=str(away)[:200])
            raise errors.DependencyUnavailable("razorpay") from away

    def _ask(self, ask: Callable[[Any], Any]) -> Any:
        import razorpay

        if self._made is None:
            self._made = razorpay.Client(session=self._session(), auth=self._auth, base_url=self._url)
        refusals = (razorpay.errors.BadRequestError, razorpay.errors.GatewayError, razorpay.errors.ServerError)
        try:
            return ask(self._made)
        except refusals as refused:
            raise Rejected(str(refused)) from refused

    def _session(self) -> Any:
        """A session with a time limit, whose troubles are told apart by status: the SDK's errors have none."""
        import requests

        seconds = self._seconds

        class Session(requests.Session):
            def request(self, *args: Any, **kwargs: Any) -> requests.Response:
                kwargs.setdefault("timeout", (min(1.0, seconds), seconds))
                try:
                    response = super().request(*args, **kwargs)
                except requests.RequestException as error:
                    raise _Away(type(error).__name__) from error
                if response.status_code in _TEMPORARY or response.status_code >= 500:
                    raise _Away(f"status {response.status_code}")
                return response

        return Session()
