"""What the running system measures of itself, and what pages may report."""

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from helpers.apps import make_app
from helpers.by_hand import hand_on
from jobsync.monitor import Monitor


@pytest.fixture
def sampling(tmp_path):
    """An app whose pages all report."""
    return make_app(tmp_path, JOBSYNC_PAINT_SAMPLING="1")


def read(client, name):
    """Return the value of a figure, by its name and labels as text: `jobsync_messages_total`."""
    answer = client.get("/metrics")
    assert answer.status_code == 200 and answer.mimetype == "text/plain"
    samples = [
        sample
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    ]
    return sum(sample.value for sample in samples if sample.name == name)


def report(client, seconds, age_ms=0):
    """Report a paint `age_ms` ago of a commit `seconds` ago."""
    updated_at = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    return client.post(
        "/metrics/painted", json={"paints": [{"updated_at": updated_at, "age_ms": age_ms}]}
    )


def test_a_change_of_status_is_measured_from_its_commit_until_it_is_told(core, folder):
    with hand_on(core, folder) as hand:
        client, monitor = core.test_client(), Monitor(core)
        monitor.tick()
        before = read(client, "jobsync_commit_to_broadcast_seconds_count")
        messages = read(client, "jobsync_messages_total")
        hand.submit()
        monitor.tick()
        assert read(client, "jobsync_commit_to_broadcast_seconds_count") == before + 1
        assert read(client, "jobsync_messages_total") > messages
        assert read(client, "jobsync_jobs_unfinished") == 1
        assert read(client, "jobsync_viewers") == 0


def test_a_page_reports_what_it_painted_by_the_servers_clock_alone(sampling):
    client = sampling.test_client()
    count, total = (
        read(client, f"jobsync_commit_to_painted_seconds_{part}") for part in ("count", "sum")
    )
    assert report(client, seconds=5, age_ms=4900).status_code == 204
    assert read(client, "jobsync_commit_to_painted_seconds_count") == count + 1
    assert 0.1 <= read(client, "jobsync_commit_to_painted_seconds_sum") - total < 4


@pytest.mark.parametrize(
    ("seconds", "age_ms"),
    [(-60, 0), (5, 60_000), (3600, 0)],
    ids=["from the future", "older than its commit", "an hour late"],
)
def test_what_can_not_be_is_not_counted(sampling, seconds, age_ms):
    client = sampling.test_client()
    before = read(client, "jobsync_commit_to_painted_seconds_count")
    assert report(client, seconds, age_ms).status_code == 204
    assert read(client, "jobsync_commit_to_painted_seconds_count") == before


PAINTS = [
    [{"updated_at": "yesterday", "age_ms": 0}],
    [{"updated_at": "2026-11-22T13:00:00", "age_ms": 0}],
    [{"updated_at": "2026-11-22T13:00:00Z"}],
    [{"updated_at": "2026-11-22T13:00:00Z", "age_ms": -1}],
    [{"updated_at": "2026-11-22T13:00:00Z", "age_ms": 1.5}],
    [{"updated_at": "2026-11-22T13:00:00Z", "age_ms": 0, "job_id": "j"}],
    [{"updated_at": "2026-11-22T13:00:00Z", "age_ms": 0}] * 101,
    "all",
]


@pytest.mark.parametrize("paints", PAINTS, ids=range(len(PAINTS)))
def test_a_bad_report_is_refused(sampling, paints):
    assert (
        sampling.test_client().post("/metrics/painted", json={"paints": paints}).status_code == 422
    )


def test_pages_report_only_where_the_setting_lets_them(core, folder, sampling):
    with hand_on(core, folder) as hand:
        assert b"painted.js" not in core.test_client().get(f"/jobs/{hand.submit()}").data
    before = read(core.test_client(), "jobsync_commit_to_painted_seconds_count")
    assert report(core.test_client(), seconds=1).status_code == 204
    assert read(core.test_client(), "jobsync_commit_to_painted_seconds_count") == before
