"""The topics of the contract, as Kafka has them after a migration, and that none comes into being otherwise."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import admin as kafka_admin  # type: ignore[import-untyped]
from tests import brokers, buses, polling

from revcart.kit import bus, errors, ids, kafka_topics, telemetry, topics

DAY_MS = 86_400_000


@contextlib.asynccontextmanager
async def admin() -> AsyncIterator[Any]:
    async with kafka_topics.administering(brokers.server()) as connected:
        yield connected


def copies() -> list[topics.Topic]:
    """The contract's topics under names of this test."""
    mark = ids.uuid7()
    return [
        topics.Topic(name=f"{mark}-{t.name}", key=t.key, partitions=t.partitions, retention_days=t.retention_days)
        for t in topics.TOPICS
    ]


async def config(connected: Any, name: str) -> dict[str, str]:
    resource = kafka_admin.config_resource.ConfigResource(kafka_admin.config_resource.ConfigResourceType.TOPIC, name)
    [answer] = await connected.describe_configs([resource])
    [(_, _, _, _, entries)] = answer.resources
    return {entry[0]: entry[1] for entry in entries}


async def test_a_migration_makes_the_topics_of_the_contract() -> None:
    wanted = copies()
    async with admin() as connected:
        made = await kafka_topics.ensure_topics(connected, topics=wanted)
        assert sorted(made) == sorted(name for topic in wanted for name in (topic.name, f"{topic.name}.dlq"))
        assert await kafka_topics.ensure_topics(connected, topics=wanted) == []
        found = {topic["topic"]: topic for topic in await connected.describe_topics()}
        brokers_there = len((await connected.describe_cluster())["brokers"])
        expected = {"order": (6, 7), "payment": (6, 14), "notification": (6, 3), "analytics": (12, 3)}
        for topic in wanted:
            partitions, days = expected[topic.name.split("-")[-2]]
            assert len(found[topic.name]["partitions"]) == partitions
            assert len(found[topic.name]["partitions"][0]["replicas"]) == min(3, brokers_there)
            assert (await config(connected, topic.name))["retention.ms"] == str(days * DAY_MS)
            assert (await config(connected, topic.name))["cleanup.policy"] == "delete"
            assert len(found[f"{topic.name}.dlq"]["partitions"]) == 1
            assert (await config(connected, f"{topic.name}.dlq"))["retention.ms"] == str(30 * DAY_MS)
        await connected.delete_topics(made)


async def test_nothing_makes_a_topic_by_accident(tmp_path: Path) -> None:
    async with buses.world("kafka", tmp_path) as world:
        log = await world.open()
        name = f"accident-{ids.uuid7()}"
        with pytest.raises(errors.DependencyUnavailable):
            await log.publish([bus.Message(topic=name, key="k", value=b"1")])
        seen = buses.Seen()
        await log.subscribe(world.group(), topics=[name], handler=buses.recorder(seen))
        assert await log.lag(world.group()) == {name: 0}
        async with admin() as connected:
            assert name not in await connected.list_topics()
            later = topics.Topic(name=name, key="orderId", partitions=2, retention_days=1)
            await kafka_topics.ensure_topics(connected, topics=[later])
            await log.publish([bus.Message(topic=name, key="k", value=b"1")])
            await polling.until(lambda: seen == [("k", "1")], 10)  # the member was waiting for its topic
            await log.close()
            await connected.delete_topics([name, f"{name}.dlq"])


async def test_without_a_broker_a_migration_says_so() -> None:
    with pytest.raises(errors.DependencyUnavailable):
        await bus.ensure_topics("kafka://127.0.0.1:1")
    assert await bus.ensure_topics("memory://") == []


def test_the_url_chooses_the_bus(tmp_path: Path) -> None:
    memory = buses.made("memory", str(tmp_path / "bus.sqlite"))
    metrics = telemetry.Metrics("test")
    assert bus.connect("memory://", memory=memory, metrics=metrics) is memory
    assert bus.connect("kafka://127.0.0.1:1", memory=memory, metrics=metrics) is not memory
    with pytest.raises(ValueError, match="kafka://"):
        bus.connect("amqp://127.0.0.1", memory=memory, metrics=metrics)
