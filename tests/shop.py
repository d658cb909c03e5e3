"""A whole shop, started as a user starts it (`revcart up`), and people who use it through the gateway."""

import abc
import asyncio
import contextlib
import dataclasses
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib import parse

import httpx2
import websockets
from websockets.asyncio.client import ClientConnection

from revcart.auth import demo
from revcart_operator.platform import store

ROOT = Path(__file__).parents[1]
START_SECONDS = 60
STOP_SECONDS = 40
STORES = store.NAMES

# Quicker workers and cheaper password hashes than production has; nothing that changes what is promised.
PLATFORM = """\
apiVersion: platform.revcart.io/v1alpha1
kind: RevCartPlatform
metadata: {name: test}
spec:
  version: "0.1.0"
  profile: Development
  demoData: Enabled
  services:
    auth: {env: [{name: REVCART_AUTH_BCRYPT_ROUNDS, value: "4"}]}
    delivery: {env: [{name: REVCART_DELIVERY_DISPATCH_SECONDS, value: "1"}]}
"""

_addresses = (f"10.{a}.{b}.{c}" for a, b, c in itertools.product(range(1, 250), range(1, 250), range(1, 250)))


class Outlet(abc.ABC):
    """A shop that people can go to."""

    address = ""
    """Where its names lead, when they are not known to the world."""
    origin = "http://localhost:4200"

    @property
    @abc.abstractmethod
    def gateway(self) -> str: ...

    @property
    @abc.abstractmethod
    def paysim(self) -> str: ...

    def client(self, url: str, **headers: str) -> httpx2.AsyncClient:
        """Of the gateway or of paysim."""
        if self.address:
            url, headers = f"http://{self.address}", {**headers, "Host": parse.urlsplit(url).netloc}
        return httpx2.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False)

    @contextlib.asynccontextmanager
    async def person(self, token: str | None = None) -> AsyncIterator["Person"]:
        """Somebody at an address of their own, signed in when there is a token."""
        headers = {"X-Forwarded-For": next(_addresses)} | ({"Authorization": f"Bearer {token}"} if token else {})
        async with self.client(self.gateway, **headers) as client:
            yield Person(self, client)

    @contextlib.asynccontextmanager
    async def demo(self, role: str) -> AsyncIterator["Person"]:
        """The first demo account of `role`, signed in."""
        email = next(email for _, its_role, _, email, _ in demo.PEOPLE if its_role == role)
        async with self.person() as person:
            await person.login(email, demo.PASSWORD)
            yield person


@dataclasses.dataclass
class Shop(Outlet):
    """A shop in a process of its own. `data` outlives it."""

    data: Path
    platform: Path
    offset: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{8080 + self.offset}"

    @property
    def paysim(self) -> str:
        return f"http://127.0.0.1:{8091 + self.offset}"

    def url(self, port: int) -> str:
        """Where the service that the catalogue puts on `port` listens."""
        return f"http://127.0.0.1:{port + self.offset}"

    def start(self) -> None:
        """Start and wait until it serves; on other ports when somebody else has these."""
        for _ in range(5):
            if self.process is None and not self.offset:
                self.offset = random.randrange(2_000, 40_000, 20)
            output = (self.data.parent / "up.log").open("ab")
            command = [sys.executable, "-m", "revcart_operator.cli.main", "up", "-f", str(self.platform)]
            command += ["--data", str(self.data), "--port-offset", str(self.offset)]
            environment = {**os.environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
            self.process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=ROOT)
            if self._serves():
                return
            self.offset = 0
            self.process = None
        raise AssertionError((self.data.parent / "up.log").read_text()[-4000:])

    def _serves(self) -> bool:
        assert self.process is not None
        run = self.data / "run.json"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError, ValueError):
                noted = json.loads(run.read_text())
                if noted["pid"] == self.process.pid and noted["state"] == "serving":
                    return True
            time.sleep(0.05)
        return False

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(STOP_SECONDS)
        self.process = None
        return code

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(STOP_SECONDS)
        self.process = None


@dataclasses.dataclass
class Person:
    """A client of the gateway."""

    shop: Outlet
    http: httpx2.AsyncClient
    id: int = 0
    token: str = ""
    email: str = ""

    async def get(self, path: str, **params: Any) -> Any:
        return await self.call("GET", path, params=params)

    async def call(self, method: str, path: str, *, status: int | None = None, **request: Any) -> Any:
        """The JSON of an answer that must be a success, or have `status`."""
        answer = await self.http.request(method, path, **request)
        expected = answer.is_success if status is None else answer.status_code == status
        assert expected, f"{method} {path}: {answer.status_code} {answer.text[:600]}"
        return answer.json() if answer.content else None

    async def login(self, email: str, password: str) -> None:
        session = await self.call("POST", "/api/auth/login", json={"email": email, "password": password})
        self._be(session)

    async def sign_up(self) -> None:
        """A new customer, whose e-mail is verified by the code that an ADMIN finds in the development mailbox."""
        self.email = f"{uuid.uuid4().hex[:12]}@example.org"
        body = {"name": "Nila Test", "email": self.email, "password": "a good password", "phone": "+919811111111"}
        session = await self.call("POST", "/api/auth/signup", json=body, status=201)
        self._be(session)

    async def verify(self, admin: "Person") -> None:
        code = await admin.mailed_code(self.email)
        await self.call("POST", "/api/auth/verify-email", json={"email": self.email, "otp": code}, status=200)

    def _be(self, session: dict[str, Any]) -> None:
        self.id, self.token, self.email = session["id"], session["token"], session["email"]
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    async def mailed_code(self, email: str) -> str:
        """The newest six digits mailed to `email`, read by an ADMIN."""

        async def look() -> str | None:
            messages = await self.get("/api/notifications/dev/mailbox", to=email)
            codes = re.findall(r"\b[0-9]{6}\b", json.dumps(messages))
            return codes[0] if codes else None

        return str(await eventually(look))

    async def add_to_cart(self, *product_ids: int, quantity: int = 1) -> Any:
        cart = None
        for product_id in product_ids:
            body = {"productId": product_id, "quantity": quantity}
            cart = await self.call("POST", "/api/cart/add", json=body)
        return cart

    async def place_order(self, method: str = "RAZORPAY", *, key: str | None = None, status: int = 201) -> Any:
        body = {"paymentMethod": method, "address": ADDRESS}
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return await self.call("POST", "/api/orders", json=body, headers=headers, status=status)

    async def pay(self, payment: dict[str, Any]) -> dict[str, Any]:
        """Pay at the simulated Razorpay as its checkout would; what its handler is given."""
        async with self.shop.client(self.shop.paysim) as razorpay:
            answer = await razorpay.post(
                f"/_sim/orders/{payment['razorpayOrderId']}/pay",
                json={"method": "upi", "vpa": "success@razorpay"},
            )
        assert answer.is_success, answer.text
        paid: dict[str, Any] = answer.json()
        return paid

    async def verify_payment(self, order_id: int, paid: dict[str, Any]) -> Any:
        body = {
            "orderId": order_id,
            "razorpayOrderId": paid["razorpay_order_id"],
            "razorpayPaymentId": paid["razorpay_payment_id"],
            "razorpaySignature": paid["razorpay_signature"],
        }
        return await self.call("POST", "/api/payments/verify", json=body, status=200)

    async def order_becomes(self, order_id: int, status: str) -> Any:
        async def look() -> Any:
            order = await self.get(f"/api/orders/{order_id}")
            return order if order["status"] == status else None

        return await eventually(look, what=f"order {order_id} {status}")

    @contextlib.asynccontextmanager
    async def screen(self, *destinations: str) -> AsyncIterator["Screen"]:
        """An open STOMP session that has subscribed to `destinations`."""
        address = self.shop.gateway.replace("http", "ws") + "/ws/websocket"
        where: dict[str, Any] = {"host": self.shop.address} if self.shop.address else {}
        async with websockets.connect(
            address,
            subprotocols=[websockets.Subprotocol("v12.stomp")],
            origin=websockets.Origin(self.shop.origin),
            proxy=None,
            **where,
        ) as ws:
            screen = Screen(ws)
            await ws.send(f"CONNECT\naccept-version:1.2\nhost:shop\nAuthorization:Bearer {self.token}\n\n\0")
            assert (await screen.frame())[0] == "CONNECTED"
            for number, destination in enumerate(destinations):
                await ws.send(f"SUBSCRIBE\nid:{number}\ndestination:{destination}\nreceipt:r{number}\n\n\0")
                await screen.receipt(f"r{number}")
            yield screen


@dataclasses.dataclass
class Screen:
    """What a subscriber sees."""

    socket: ClientConnection
    seen: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    async def frame(self) -> tuple[str, dict[str, str], str]:
        while True:
            text = await asyncio.wait_for(self.socket.recv(decode=True), 10)
            if text.strip("\r\n"):
                head, _, body = text.partition("\n\n")
                command, *lines = head.lstrip("\n").split("\n")
                return command, dict(line.split(":", 1) for line in lines), body.rstrip("\0\n")

    async def receipt(self, number: str) -> None:
        """Wait for a RECEIPT; messages of earlier subscriptions may come before it."""
        while True:
            command, headers, body = await self.frame()
            if command == "MESSAGE":
                self.seen.append(json.loads(body))
                continue
            assert (command, headers.get("receipt-id")) == ("RECEIPT", number), (command, headers, body)
            return

    async def sees(self, **fields: Any) -> dict[str, Any]:
        """Wait for a message that has these fields; earlier ones stay in `seen`."""
        for body in self.seen:
            if fields.items() <= body.items():
                return body
        async with asyncio.timeout(15):
            while True:
                command, _, text = await self.frame()
                assert command == "MESSAGE", (command, text)
                self.seen.append(json.loads(text))
                if fields.items() <= self.seen[-1].items():
                    return self.seen[-1]


ADDRESS = {
    "label": "HOME",
    "name": "Nila Test",
    "phone": "+919811111111",
    "line1": "4 Church Street",
    "city": "Bengaluru",
    "state": "Karnataka",
    "postalCode": "560001",
    "country": "IN",
    "lat": 12.975,
    "lng": 77.605,
}


async def eventually(look: Any, *, seconds: float = 20, every: float = 0.05, what: str = "it") -> Any:
    """The first answer of `look` that is something."""
    deadline = time.monotonic() + seconds
    while True:
        found = await look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come about in {seconds} s")
        await asyncio.sleep(every)


def on(urls: Mapping[str, str]) -> str:
    """The part of a platform that takes these stores (name → URL) from others; their Secrets bear their names."""
    arms = (
        f"    {name}: {{mode: External, external: {{secretRef: {{name: {name}}}, tls: {{mode: Disabled}}}}}}\n"
        for name in urls
    )
    return "  stores:\n" + "".join(arms) if urls else ""


@contextlib.contextmanager
def running(folder: Path, platform: str = PLATFORM, *, stores: Mapping[str, str] | None = None) -> Iterator[Shop]:
    """A shop whose data is under `folder`, ended at the end of the block. `stores`: name → URL of External ones."""
    file, data = folder / "platform.yaml", folder / "data"
    for name, url in (stores or {}).items():
        (data / "secrets" / name).mkdir(parents=True)
        (data / "secrets" / name / "uri").write_text(url)
    file.write_text(platform + on(stores or {}))
    shop = Shop(data=data, platform=file)
    shop.start()
    try:
        yield shop
    finally:
        if shop.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                shop.stop()
            if shop.process is not None:
                shop.kill()
