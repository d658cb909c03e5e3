"""STOMP 1.0–1.2 over WebSocket: codec, session, topic broker, transport. It knows no service.

A service gives `websocket.serve` a broker and an `authenticate` callable; what a connected peer may subscribe to and
send is decided by the `session.Peer` that callable returns. Addresses, limits and close codes are those of
`contract/notification-realtime.md`; frames follow https://stomp.github.io/stomp-specification-1.2.html.
"""
