"""Preferences, quiet hours, tries, ids and short messages: the rules that need no store."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revcart.notification import app, domain, sinks

NOW = dt.datetime(2026, 1, 31, 9, 5, tzinfo=dt.UTC)  # 14:35 in Kolkata


def notice(**changes: object) -> domain.Notice:
    return domain.Notice(
        **{"template": "order.placed", "source": "e1", "event_id": "e1", "at": NOW, "user_id": 7, **changes}  # type: ignore[arg-type]
    )


def test_by_default_all_but_offers_is_wanted() -> None:
    nobody = domain.Preferences()
    assert all(nobody.wants(category, "EMAIL") for category in ("ORDER", "PAYMENT", "DELIVERY", "ACCOUNT"))
    assert not nobody.wants("OFFERS", "WEBSOCKET")


def test_a_choice_counts_and_the_account_cannot_be_silenced() -> None:
    chosen = domain.Preferences(
        choices={"ORDER": {"SMS": False}, "OFFERS": {"EMAIL": True}, "ACCOUNT": {"EMAIL": False}}
    )
    assert not chosen.wants("ORDER", "SMS")
    assert chosen.wants("ORDER", "EMAIL")
    assert chosen.wants("OFFERS", "EMAIL")
    assert chosen.wants("ACCOUNT", "EMAIL")


@pytest.mark.parametrize(
    ("start", "end", "until"),
    [
        ("14:00", "15:00", "2026-01-31T09:30:00+00:00"),
        ("22:00", "15:00", "2026-01-31T09:30:00+00:00"),
        ("14:35", "07:00", "2026-02-01T01:30:00+00:00"),
        ("14:36", "07:00", None),
        ("10:00", "14:35", None),
        ("10:00", "10:00", None),
    ],
)
def test_quiet_hours_may_pass_midnight(start: str, end: str, until: str | None) -> None:
    found = domain.QuietHours(start=start, end=end, timezone="Asia/Kolkata").until(NOW)
    assert (found and found.isoformat()) == until


def test_quiet_hours_hold_only_short_messages_of_offers_and_payments() -> None:
    quiet = domain.Preferences(quiet_hours=domain.QuietHours(start="00:00", end="23:59", timezone="UTC"))
    held = {
        (category, channel)
        for category in (*domain.CATEGORIES, "ACCOUNT")
        for channel in domain.CHANNELS
        if quiet.held_until(category, channel, at=NOW)
    }
    assert held == {("OFFERS", "SMS"), ("PAYMENT", "SMS")}


def test_there_are_five_tries_with_growing_waits() -> None:
    waits = [domain.retry_at(NOW, tries=tries, jitter=0) for tries in range(1, 6)]
    assert [wait and (wait - NOW).total_seconds() for wait in waits] == [10, 60, 300, 1_800, None]
    jittered = [domain.retry_at(NOW, tries=1, jitter=sign) for sign in (-1, 1)]
    assert [wait and (wait - NOW).total_seconds() for wait in jittered] == [8, 12]


def test_ids_are_the_same_for_a_repeat_and_hold_no_address() -> None:
    assert notice().notification_id == notice(at=NOW + dt.timedelta(days=1)).notification_id
    assert len(notice().notification_id) == 24
    assert int(notice().notification_id, 16) >= 0
    others = [notice(source="e2"), notice(user_id=8), notice(template="order.expired")]
    assert len({each.notification_id for each in [notice(), *others]}) == 4
    assert notice().dispatch_id("SMS") == "e1:order.placed:7:SMS"
    stranger = notice(user_id=None, recipient=domain.Recipient(email="asha@example.org"))
    assert "asha" not in stranger.dispatch_id("EMAIL")


def test_a_dedupe_key_that_would_not_fit_into_a_path_is_hashed() -> None:
    assert domain.source("verify-email:5") == "verify-email:5"
    for key in ("a/b", "ü", "x" * 81, "a b"):
        assert len(domain.source(key)) == 32
    assert domain.source("a/b") == domain.source("a/b") != domain.source("a/c")


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("न" * 70, 1),
        ("न" * 71, 2),
    ],
)
def test_segments_of_a_short_message(text: str, segments: int) -> None:
    assert domain.sms_segments(text) == segments


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=500))
def test_a_short_message_is_cut_to_two_segments(text: str) -> None:
    cut = domain.sms_cut(text)
    assert domain.sms_segments(cut) <= 2
    assert cut == text or cut.endswith("...")


def test_addresses_are_masked() -> None:
    assert domain.masked("asha@example.org") == "a…@example.org"
    assert domain.masked("+919876543210") == "…210"


@pytest.mark.parametrize("url", ["twilio://SID:TOKEN@api", "", "mailbox://x", "file://relative"])
@pytest.mark.parametrize("channel", ["EMAIL", "SMS"])
def test_an_unknown_sink_is_refused_with_the_urls_that_exist(url: str, channel: str) -> None:
    with pytest.raises(ValueError, match="mailbox://") as refused:
        sinks.connect(url, channel=channel, store=None)  # type: ignore[arg-type]
    assert "pass" not in str(refused.value)


def test_files_are_for_mail_only() -> None:
    with pytest.raises(ValueError, match="SMS"):
        sinks.connect("file:///tmp/x", channel="SMS", store=None)  # type: ignore[arg-type]


def test_a_bad_events_key_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="REVCART_EVENTS_KEY"):
        app.create_app(app.Settings(events_key="short"))
