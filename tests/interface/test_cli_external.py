"""`revcart up` with External stores: it asks them first, and says in a sentence which does not serve, where and why."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interface import shops

PLATFORM = """\
apiVersion: platform.revcart.io/v1alpha1
kind: RevCartPlatform
metadata: {name: shop}
spec:
  version: "0.1.0"
  stores: {STORE: {mode: External, external: {secretRef: {name: mine}, tls: {mode: Disabled}}}}
"""
STORES = ("mysql", "mongodb", "redis", "kafka", "consul")
SECRET = "s3cret-word"


def refused(folder: Path, store: str, address: str, *more: str) -> tuple[int, str, str]:
    """Exit code, standard output and error of `revcart up` on a store at `address`."""
    (folder / "platform.yaml").write_text(PLATFORM.replace("STORE", store))
    secret = folder / "data" / "secrets" / "mine"
    secret.mkdir(parents=True)
    login = "" if store == "consul" else f"me:{SECRET}@"
    (secret / "uri").write_text(f"{store}://{login}{address}\n")
    words = ["up", "-f", str(folder / "platform.yaml"), "--data", str(folder / "data")]
    done = shops.revcart(*words, "--port-offset", str(shops.free_offset()), *more)
    assert shops.revcart("status", "--data", str(folder / "data")).returncode == 3
    assert not list((folder / "data" / "databases").iterdir())
    return done.returncode, done.stdout, done.stderr


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    """An address that is taken and where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@contextlib.contextmanager
def somebody_silent() -> Iterator[str]:
    """An address where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []

        def take() -> None:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(server.accept()[0])

        threading.Thread(target=take, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for each in taken:
            each.close()


@pytest.mark.parametrize("store", STORES)
def test_a_store_where_nobody_listens_is_named_and_nothing_is_started(tmp_path: Path, store: str) -> None:
    with nobody() as address:
        code, out, error = refused(tmp_path, store, address)
    assert (code, out) == (1, "")
    assert error == f"The store {store} at {address} does not serve: nothing listens there; nothing was started.\n"


def test_in_the_background_it_is_the_same_sentence(tmp_path: Path) -> None:
    with nobody() as address:
        code, _, error = refused(tmp_path, "redis", address, "--detach")
    assert code == 1
    assert error.startswith(f"The store redis at {address} does not serve: nothing listens there")


@pytest.mark.parametrize("store", STORES)
def test_a_store_that_says_nothing_is_given_two_seconds(tmp_path: Path, store: str) -> None:
    with somebody_silent() as address:
        began = time.monotonic()
        code, _, error = refused(tmp_path, store, address)
        seconds = time.monotonic() - began
    assert code == 1
    assert error.startswith(f"The store {store} at {address} does not serve: it did not answer")
    assert SECRET not in error
    assert seconds < 20  # most of it is Python's start, three times


def test_a_wrong_password_is_told_without_being_quoted(tmp_path: Path) -> None:
    if not (url := os.environ.get("REVCART_TEST_MYSQL_URL")):
        pytest.skip("set REVCART_TEST_MYSQL_URL to sign in to a real MySQL with a wrong password")
    address = url.rpartition("@")[2].rstrip("/")
    code, _, error = refused(tmp_path, "mysql", address)
    assert code == 1
    assert error.startswith(f"The store mysql at {address} does not serve: Access denied for user 'me'@")
    assert SECRET not in error


def test_a_key_that_is_not_there_is_named_with_the_file_to_write(tmp_path: Path) -> None:
    (tmp_path / "platform.yaml").write_text(PLATFORM.replace("STORE", "mysql"))
    data = tmp_path / "data"
    done = shops.revcart(
        "up", "-f", str(tmp_path / "platform.yaml"), "--data", str(data), "--port-offset", str(shops.free_offset())
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "spec.stores.mysql.external.secretRef refers to the secret mine, which has no key host; "
        f"write it to the file {data}/secrets/mine/host.\n"
    )
