"""Passwords are made once: what lacks is made, what is there stays, what was lost is not made anew in silence."""

import asyncio
import base64

from tests import fakecluster, platforms

from revcart_operator.engine import credentials
from revcart_operator.platform import spec
from revcart_operator.render import credentials as rendered
from revcart_operator.render import names

NAME = "shop-credentials"


async def _settled():
    world = platforms.World()
    world.declare()
    await world.settle()
    return world


async def test_all_values_are_made_and_every_one_is_another():
    world = await _settled()
    made = world.credentials()
    assert set(made) == set(rendered.NAMES)
    assert len(set(made.values())) == len(made)
    assert base64.b64decode(made["razorpay-key-id"]).startswith(b"rzp_test_")


async def test_key_that_lacks_is_made_and_the_others_stay():
    world = await _settled()
    before = world.credentials()
    world.cluster.edit("Secret", NAME, lambda live: live["data"].pop("kafka-password"))
    await world.settle()
    after = world.credentials()
    assert {key for key in after if after[key] != before[key]} == {"kafka-password"}


async def test_value_that_a_person_wrote_is_kept_and_used():
    world = await _settled()
    written = base64.b64encode(b"my own").decode()
    world.cluster.edit("Secret", NAME, lambda live: live["data"].update({"mysql-root-password": written}))
    await world.settle()
    assert world.credentials()["mysql-root-password"] == written
    assert world.cluster.live("Secret", "shop-mysql")["data"]["root-password"] == written


async def test_deleted_secret_comes_back_with_the_same_values():
    world = await _settled()
    before = world.credentials()
    world.cluster.remove("Secret", NAME)
    await world.settle()
    assert world.credentials() == before


async def test_secret_that_nobody_remembers_is_asked_back_not_made_anew():
    world = await _settled()
    lost = world.cluster.live("Secret", NAME)
    world.cluster.remove("Secret", NAME)
    world.restart()
    world.writes()
    for _ in range(3):
        await world.step()
    assert world.writes() == []
    assert world.condition("Ready")[:2] == ("False", "CredentialsLost")
    assert f"the Secret {NAME} was deleted" in world.condition("Ready")[2]
    world.cluster.put({key: lost[key] for key in ("apiVersion", "kind", "type", "data")} | {
        "metadata": {"name": NAME, "namespace": "default"}})  # fmt: skip
    await world.settle()
    assert world.is_ready


async def test_two_operators_make_one_set_of_passwords():
    cluster = fakecluster.FakeCluster()
    shop = names.Shop(name="shop", namespace="default", uid="uid-1")

    async def ensure():
        return await credentials.ensure(cluster, shop=shop, keep=spec.Keep.RETAIN, remembered={}, had=False)

    results = await asyncio.gather(ensure(), ensure(), return_exceptions=True)
    (made,) = [it for it in results if isinstance(it, dict)]
    assert credentials.decoded(cluster.live("Secret", NAME)) == made == await ensure()
