"""What the user service makes of a sign-up, as the committed example of the event shows it."""

import json
from pathlib import Path
from typing import Any

from revcart.kit import bus, clock, events, hub, ids, testing
from revcart.user import app as user_app
from tests.flow import notification_world as worlds
from tests.flow import people

EXAMPLE = Path(__file__).parents[1] / "contract" / "events" / "user.registered.json"


async def test_a_sign_up_makes_a_profile_and_an_unknown_role_makes_none(tmp_path: Path) -> None:
    """Auth is away here, so what is answered comes from the event."""
    time = clock.Manual()
    identity = testing.Identity(time)
    async with hub.Hub(None, time) as shared:
        identity.install(shared)
        headers = identity.service_headers("notification", callee="user")
        async with testing.serving(user_app.create_app(people.user_settings(tmp_path), hub=shared)) as user:
            await registered(shared.bus, userId=501, role="COURIER")  # a role that a later release brings
            await registered(shared.bus, userId=502)
            await worlds.eventually(lambda: shared.bus.lag("revcart.user"), lambda lag: not any(lag.values()))
            known = await user.get("/internal/users/502/contact", headers=headers)
            assert (known.status_code, known.json()["name"], known.json()["role"]) == (200, "Asha Rao", "CUSTOMER")
            assert (await user.get("/internal/users/501/contact", headers=headers)).status_code == 503
            metrics = (await user.get("/actuator/prometheus")).text
            assert 'revcart_events_ignored_total{reason="unknown-role",type="user.registered"} 1.0' in metrics
            assert "revcart_dlq_total{" not in metrics


async def registered(to: bus.Bus, **changes: Any) -> None:
    """Publish the example with some fields changed."""
    example = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    example = {**example, "id": ids.uuid7(), "data": {**example["data"], **changes}}
    await to.publish([bus.Message(topic="analytics-events", key="501", value=events.encode(example))])
