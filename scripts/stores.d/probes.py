"""Does a server answer in its own protocol? The smallest real exchange of each, on sockets, without any driver.

Each raises OSError or ValueError as long as the answer is no.
"""

import hashlib
import http.client
import json
import socket
import struct

TIMEOUT = 2.0  # seconds
HOST = "127.0.0.1"


def redis(port: int) -> None:
    with _connected(port) as link:
        link.sendall(b"PING\r\n")
        _expect(link.recv(64).startswith(b"+PONG"), "PING was not answered")  # e.g. still loading its file


def mysql(port: int, *, password: str) -> None:
    """Log in over TCP as root with mysql_native_password (protocol 10)."""
    with _connected(port) as link:
        greeting = _mysql_packet(link)
        _expect(greeting[0] == 10, "no greeting of protocol 10")
        at = greeting.index(0, 1) + 5  # past version and thread id
        scramble = greeting[at : at + 8] + greeting[at + 27 : at + 39]
        secret = _sha1(password.encode())
        proof = bytes(a ^ b for a, b in zip(secret, _sha1(scramble + _sha1(secret)), strict=True))
        long_password, protocol_41, secure, plugin = 1, 1 << 9, 1 << 15, 1 << 19
        answer = struct.pack("<IIB23x", long_password | protocol_41 | secure | plugin, 1 << 24, 45)
        answer += b"root\0" + bytes([len(proof)]) + proof + b"mysql_native_password\0"
        link.sendall(len(answer).to_bytes(3, "little") + b"\x01" + answer)
        _expect(_mysql_packet(link)[0] == 0, "root could not log in")


def _mysql_packet(link: socket.socket) -> bytes:
    size = int.from_bytes(_exactly(link, 4)[:3], "little")
    return _exactly(link, size)


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def kafka(port: int) -> None:
    """Metadata, version 4: a broker counts once the controller has let it in."""
    metadata, version, no_topic = 3, 4, 0
    request = struct.pack(">hhihi?", metadata, version, 1, -1, no_topic, False)
    with _connected(port) as link:
        link.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", _exactly(link, 4))
        _, _, brokers = struct.unpack_from(">iii", _exactly(link, size))
        _expect(brokers == 1, "no broker is in the cluster yet")


def mongodb(port: int) -> None:
    """OP_MSG with {hello: 1, $db: "admin"}, in BSON."""
    fields = b"\x10hello\0" + struct.pack("<i", 1) + b"\x02$db\0" + struct.pack("<i", 6) + b"admin\0"
    document = struct.pack("<i", len(fields) + 5) + fields + b"\0"
    body = struct.pack("<Ib", 0, 0) + document
    with _connected(port) as link:
        link.sendall(struct.pack("<iiii", 16 + len(body), 1, 0, 2013) + body)
        (size,) = struct.unpack("<i", _exactly(link, 4))
        answer = _exactly(link, size - 4)
        _expect(b"\x01ok\0" + struct.pack("<d", 1.0) in answer, "hello was not answered with ok: 1")


def consul(port: int) -> None:
    """The catalogue knows its own node: a leader is elected and takes registrations."""
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/v1/catalog/nodes")
        answer = connection.getresponse()
        _expect(answer.status == 200 and bool(json.loads(answer.read())), "there is no leader yet")
    except http.client.HTTPException as error:
        raise ValueError(str(error)) from error
    finally:
        connection.close()


def _connected(port: int) -> socket.socket:
    return socket.create_connection((HOST, port), timeout=TIMEOUT)


def _exactly(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        _expect(chunk := link.recv(size - len(data)), "it hung up")
        data += chunk
    return data


def _expect(truth: object, otherwise: str) -> None:
    if not truth:
        raise ValueError(otherwise)
