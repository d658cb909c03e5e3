"""The WebSocket's address: STOMP at `/ws/websocket`. Everything is decided by the frames, nothing by the upgrade."""

from collections.abc import Mapping

from fastapi import APIRouter, WebSocket

from revcart.notification import access, flow
from revcart.stomp import peer
from revcart.stomp import websocket as stomp_websocket

router = APIRouter()


@router.websocket("/ws/websocket")
async def stomp(websocket: WebSocket) -> None:
    ports: flow.Ports = websocket.app.state.ports

    async def authenticate(headers: Mapping[str, str]) -> peer.Peer:
        return await access.authenticate(headers, ports=ports)

    await stomp_websocket.serve(
        websocket,
        broker=ports.broker,
        authenticate=authenticate,
        now=lambda: ports.clock.now().timestamp(),
    )
