"""Makes the topics of `topics` on Kafka: at migration time, with their partitions, retention and replicas."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from aiokafka import admin as kafka_admin  # type: ignore[import-untyped]
from aiokafka import errors as kafka_errors

from revcart.kit import errors, kafka_address, kafka_client, telemetry
from revcart.kit import topics as all_topics

_REQUEST_MS: Final = 15_000
_DAY_MS: Final = 86_400_000
_VISIBLE_SECONDS: Final = 15.0

log = telemetry.get_logger(__name__)


@contextlib.asynccontextmanager
async def administering(url: str) -> AsyncIterator[Any]:
    """A connected AIOKafkaAdminClient. Raises DependencyUnavailable("bus") when there is no broker."""
    address = kafka_address.parse(url)
    try:
        admin = kafka_admin.AIOKafkaAdminClient(
            client_id="revcart-migrate", request_timeout_ms=_REQUEST_MS, **address.options()
        )
        try:
            async with kafka_client.starting(address):
                await admin.start()
            yield admin
        finally:
            await admin.close()
    except kafka_client.FAILURES as error:
        raise errors.DependencyUnavailable("bus") from error


async def ensure_topics(admin: Any, *, topics: Sequence[all_topics.Topic] = all_topics.TOPICS) -> list[str]:
    """Make those of `topics` and their dead-letter topics that are missing, and return their names.

    One that exists is left as it is: other partitions would move keys, and its retention may be the operator's choice.
    Raises KafkaError when the broker refuses, TimeoutError when they do not become usable.
    """
    brokers = len((await admin.describe_cluster())["brokers"])
    wanted = [topic for one in topics for topic in (one, one.dead_letters)]
    existing = {made["topic"]: len(made["partitions"]) for made in await admin.describe_topics()}
    for topic in wanted:
        if existing.get(topic.name, topic.partitions) != topic.partitions:
            log.warning("bus.topic-differs", topic=topic.name, partitions=existing[topic.name], wanted=topic.partitions)
    missing = [topic for topic in wanted if topic.name not in existing]
    if not missing:
        return []
    answer = await admin.create_topics([_new(topic, brokers) for topic in missing])
    made = []
    for name, code, *_ in answer.topic_errors:
        failure = kafka_errors.for_code(code)
        if failure is kafka_errors.NoError:
            made.append(name)
        elif failure is not kafka_errors.TopicAlreadyExistsError:  # somebody else migrated at the same time
            raise failure(f"topic {name}")
    await _visible(admin, set(made))
    log.info("bus.topics-made", topics=made)
    return made


async def _visible(admin: Any, names: set[str]) -> None:
    """Brokers learn of a new topic a moment after it was made. Raises TimeoutError."""
    async with asyncio.timeout(_VISIBLE_SECONDS):
        while names - {topic["topic"] for topic in await admin.describe_topics() if _is_led(topic)}:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def _is_led(topic: Mapping[str, Any]) -> bool:
    return not topic["error_code"] and all(partition["leader"] >= 0 for partition in topic["partitions"])


def _new(topic: all_topics.Topic, brokers: int) -> Any:
    configs = {"retention.ms": str(topic.retention_days * _DAY_MS), "cleanup.policy": "delete"}
    if brokers >= all_topics.MAX_REPLICAS:
        configs["min.insync.replicas"] = str(all_topics.MIN_IN_SYNC)
    return kafka_admin.NewTopic(
        name=topic.name,
        num_partitions=topic.partitions,
        replication_factor=min(all_topics.MAX_REPLICAS, brokers),
        topic_configs=configs,
    )
