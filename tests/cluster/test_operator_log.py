"""Over all tests on the cluster the operator had nothing to complain of that they did not provoke. Runs last."""

import pytest

from tests.cluster import operator_logs

pytestmark = pytest.mark.cluster


def test_the_operator_logged_no_error_that_no_test_provoked(operator_log: operator_logs.Logs) -> None:
    lines, records = operator_log.lines(), operator_log.records()
    assert any(record["event"].startswith("platform.") for record in records), "there is a log"
    garbage = [line for line in lines if not line.startswith("{")]
    assert garbage == [], "a traceback that nobody caught"
    wrong = [it for it in records if it["level"] in ("ERROR", "FATAL") or isinstance(it.get("error"), dict)]
    assert wrong == [], "an error, or a warning with a traceback"


def test_the_operators_warnings_are_told(operator_log: operator_logs.Logs) -> None:
    counts: dict[str, int] = {}
    for record in operator_log.records():
        if record["level"] == "WARN":
            what = f"operator warned: {record['event']}"
            counts[what] = counts.get(what, 0) + 1
    for what, count in counts.items():
        operator_log.cluster.timings.tell(what, f"{count} times")
