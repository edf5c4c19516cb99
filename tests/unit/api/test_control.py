"""The calls of the contract's section 7: priorities, idempotency, parts of jobs, many jobs at a
time, children in any order, workers and queues.
"""

import time

import pytest
from sqlalchemy import insert, select, update

from jobsync.base.clock import now
from jobsync.db.models import Child, IdempotencyKey, Job, Step
from jobsync.db.transactions import write
from jobsync.lifecycle import results, stops, workers
from jobsync.lifecycle.tasks import NewChild
from unit.api.test_api import Outside, ok, problem

HEAD = '[params.n]\ntype = "integer"\ndefault = 1'
ATTEMPT = {
    *("attempt", "status", "worker", "started_at", "finished_at", "error", "exit_code"),
    *("first_line", "last_line"),
}


@pytest.fixture
def hand(app, tmp_path):
    hand = Outside(app, tmp_path)
    hand.define(f'id = "d"\n{HEAD}\n[step.a]\ntype = "by_hand"')
    return hand


def submit(client, key=None, **body):
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/api/jobs", json={"definition": "d", **body}, headers=headers)


# Priority


@pytest.mark.parametrize("priority", [-100, 0, 7, 100])
def test_a_job_has_the_priority_that_it_was_given(client, hand, priority):
    assert ok(submit(client, priority=priority), 202)["priority"] == priority


@pytest.mark.parametrize("priority", [-101, 101, 1.5, "1", True, None])
def test_other_priorities_are_refused(client, hand, priority):
    problem(submit(client, priority=priority), 422, "priority")


# Idempotency


def test_the_same_key_with_the_same_body_is_answered_with_the_same_job(client, hand):
    first = submit(client, "key-1", params={"n": 2}, priority=1)
    again = client.post(
        "/api/jobs",
        data='{"priority": 1,   "params": {"n": 2}, "definition": "d"}',
        content_type="application/json",
        headers={"Idempotency-Key": "key-1"},
    )
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert ok(again, 202) == ok(first, 202)
    assert ok(client.get("/api/jobs"))["total"] == 1


@pytest.mark.parametrize(
    "other", [{"params": {"n": 3}}, {"priority": 1, "params": {"n": 2}}, {"definition": "gone"}]
)
def test_the_same_key_with_another_body_is_refused(client, hand, other):
    submit(client, "k", params={"n": 2})
    problem(submit(client, "k", **other), 422, "Idempotency-Key")
    assert ok(client.get("/api/jobs"))["total"] == 1


def test_a_replay_is_answered_though_its_definition_is_gone_by_now(client, hand, tmp_path):
    first = ok(submit(client, "k"), 202)
    (tmp_path / "definitions" / "d.toml").unlink()
    assert ok(submit(client, "k"), 202)["id"] == first["id"]


def test_a_refused_request_keeps_its_key_free(client, hand):
    problem(submit(client, "k", params={"n": "many"}), 422, "params")
    assert ok(submit(client, "k", params={"n": 2}), 202)["params"] == {"n": 2}


def test_a_key_is_forgotten_after_a_day(client, hand):
    def age():
        with write() as connection:
            connection.execute(update(IdempotencyKey).values(created_at=now() - 86_400_001))

    first = ok(submit(client, "k"), 202)
    hand.do(age)
    assert ok(submit(client, "k"), 202)["id"] != first["id"]


def test_a_key_whose_job_was_deleted_is_refused(client, hand):
    first = ok(submit(client, "k"), 202)["id"]
    client.post(f"/api/jobs/{first}/cancel")
    client.delete(f"/api/jobs/{first}")
    problem(submit(client, "k"), 409)


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 201, "é", "a\tb"])
def test_other_keys_are_refused(client, hand, key):
    problem(submit(client, key), 422, "Idempotency-Key")


def test_requests_without_a_key_are_jobs_each(client, hand):
    assert ok(submit(client), 202)["id"] != ok(submit(client), 202)["id"]


# Steps and children


def children(client, job_id, **query):
    return ok(client.get(f"/api/jobs/{job_id}/steps/a/children", query_string=query))


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_steps_and_children_are_controlled_by_calls_of_their_own(client, hand, action):
    job_id = hand.begin(number=2)
    first, second = (child["id"] for child in children(client, job_id)["items"])
    path = f"/api/jobs/{job_id}/steps/a"
    if action == "retry":
        problem(client.post(f"{path}/retry"), 409)
        problem(client.post(f"{path}/children/{first}/retry"), 409)
    shown = ok(client.post(f"{path}/children/{first}/cancel"), 202)
    assert (shown["id"], shown["status"], shown["actions"]) == (first, "cancelled", ["retry"])
    shown = ok(client.post(f"{path}/cancel"), 202)
    assert (shown["job_id"], shown["steps"][0]["status"]) == (job_id, "cancelled")
    problem(client.post(f"{path}/cancel"), 409)
    problem(client.post(f"{path}/children/{second}/cancel"), 409)
    if action == "retry":
        assert ok(client.post(f"{path}/children/{second}/retry"), 202)["status"] == "pending"
        hand.advance(job_id)
        assert ok(client.get(f"/api/jobs/{job_id}"))["status"] == "running"
        problem(client.post(f"{path}/retry"), 409)
        ok(client.post(f"{path}/cancel"), 202)
        assert ok(client.post(f"{path}/retry"), 202)["steps"][0]["status"] == "pending"


@pytest.mark.parametrize(
    "path",
    [
        "/api/jobs/none/steps/a/cancel",
        "/api/jobs/{job}/steps/none/retry",
        "/api/jobs/{job}/steps/a/children/999/cancel",
        "/api/jobs/{job}/steps/a/children/x/retry",
    ],
)
def test_what_is_not_there_is_a_404(client, hand, path):
    problem(client.post(path.format(job=hand.begin())), 404)


def test_a_child_is_shown_with_its_attempts(client, hand):
    job_id = hand.begin("[step.a]\nretries = 1")
    (task,) = hand.claim("w1")
    hand.fail(task, "no")
    (task,) = hand.claim("w2")
    hand.do(results.record, task, progress=(1, 4))
    (listed,) = children(client, job_id)["items"]
    shown = ok(client.get(f"/api/jobs/{job_id}/steps/a/children/{listed['id']}"))
    assert listed["progress"] == {"done": 1, "total": 4}
    assert {name: shown[name] for name in listed} == listed
    assert all(set(attempt) == ATTEMPT for attempt in shown["attempts"])
    assert [(row["attempt"], row["status"], row["worker"]) for row in shown["attempts"]] == [
        (1, "failed", "w1"),
        (2, "running", "w2"),
    ]


def test_spawned_children_name_their_parent_and_are_listed_by_it(client, hand):
    job_id = hand.begin(number=2)
    (task,) = hand.claim()
    new = [NewChild(f"1.{place}", f"c1.{place}", {}, task.child_pk) for place in (1, 2, 3)]
    hand.do(results.record, task, spawned=[(task, child) for child in new])
    roots = children(client, job_id, parent="none")
    assert [child["name"] for child in roots["items"]] == ["c1", "c2"] and roots["total"] == 2
    mine = children(client, job_id, parent=roots["items"][0]["id"], limit=2)
    assert [child["name"] for child in mine["items"]] == ["c1.1", "c1.2"] and mine["total"] == 3
    assert {child["parent_id"] for child in mine["items"]} == {roots["items"][0]["id"]}
    rest = children(client, job_id, parent=str(task.child_pk), limit=2, cursor=mine["next_cursor"])
    assert [child["name"] for child in rest["items"]] == ["c1.3"]
    assert children(client, job_id, parent=str(task.child_pk), status="running")["total"] == 0


# Children in any order


@pytest.fixture
def many(app, hand):
    """A job whose step has children in every status, with durations of their own."""
    job_id = hand.begin(number=0)

    def fill():
        with write() as connection:
            step_pk = connection.execute(select(Step.pk).where(Step.job_id == job_id)).scalar_one()
            rows = [
                {
                    "step_pk": step_pk,
                    "key": f"x{number}",
                    "name": f"x{number:03}",
                    "input": {},
                    "status": status,
                    "started_at": None if status == "pending" else 10**12,
                    "finished_at": 10**12 + (number * 37) % 50
                    if status not in ("pending", "running")
                    else None,
                }
                for number, status in enumerate(
                    ["completed", "failed", "pending", "cancelled", "completed", "running"] * 20
                )
            ]
            connection.execute(insert(Child), rows)
            counts = {"pending": 20, "running": 20, "completed": 40, "failed": 20, "cancelled": 20}
            connection.execute(update(Step).where(Step.pk == step_pk).values(counts))

    hand.do(fill)
    return job_id


def all_of(client, job_id, limit, **query):
    """Return all children, page by page."""
    found, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = children(client, job_id, limit=limit, **query, **more)
        assert len(page["items"]) <= limit
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            assert page["total"] == len(found)
            return found


def duration_of(child):
    """Return the ms that a child took; what runs takes longest, what hasn't begun least."""
    if child["started_at"] is None:
        return -1
    if child["finished_at"] is None:
        return 10**15
    return int(child["finished_at"][-4:-1])


STATUSES = ["pending", "running", "completed", "failed", "cancelled"]


@pytest.mark.parametrize("status", ["", "failed,completed", "pending", "running,cancelled"])
@pytest.mark.parametrize("sort", ["number", "duration", "status"])
def test_children_are_paged_in_each_order_both_ways(client, many, sort, status):
    query = {"status": status} if status else {}
    found = {sign: all_of(client, many, 1000, sort=sign + sort, **query) for sign in ("", "-")}
    for limit in (7, 50):
        for sign, items in found.items():
            paged = all_of(client, many, limit, sort=sign + sort, **query)
            assert [child["id"] for child in paged] == [child["id"] for child in items]
    wanted = status.split(",") if status else STATUSES
    for items in found.values():
        names = [child["name"] for child in items]
        assert len(names) == len(set(names))
        assert {child["status"] for child in items} == set(wanted)
    number = sum({"completed": 40}.get(name, 20) for name in wanted)
    assert len(found[""]) == len(found["-"]) == number
    key = {
        "number": lambda child: child["name"],
        "duration": duration_of,
        "status": lambda child: STATUSES.index(child["status"]),
    }[sort]
    up, down = [list(map(key, found[sign])) for sign in ("", "-")]
    assert up == sorted(up) and down == sorted(down, reverse=True)


@pytest.mark.parametrize(
    "query",
    [
        {"sort": "name"},
        {"sort": "--number"},
        {"parent": "x"},
        {"parent": "-1"},
        {"parent": "1" * 19},
        {"cursor": "x"},
        {"sort": "status", "cursor": "MQ"},
    ],
)
def test_other_orders_parents_and_cursors_are_refused(client, many, query):
    path = f"/api/jobs/{many}/steps/a/children"
    field = "cursor" if "cursor" in query else next(iter(query))
    problem(client.get(path, query_string=query), 422, field)


# Receipts


def test_a_cancelled_job_has_its_receipt(client, hand):
    job_id = hand.begin(number=3)
    assert ok(client.get(f"/api/jobs/{job_id}"))["cancellation"] is None
    (task,) = hand.claim()
    receipt = ok(client.post(f"/api/jobs/{job_id}/cancel"), 202)["cancellation"]
    assert receipt["children"] == {"pending": 2, "running": 1} and receipt["done_at"] is None
    left = [{"host": "h", "pid": 5, "command": "sleep 9"}]
    hand.do(stops.confirm_stop, task, 2, left)
    receipt = ok(client.get(f"/api/jobs/{job_id}"))["cancellation"]
    assert receipt["done_at"] and receipt["processes"] == {"stopped": 2, "left": left}


# Many jobs at a time


def bulk(client, **body):
    return client.post("/api/jobs/bulk", json=body)


def test_many_jobs_are_cancelled_retried_and_deleted_at_a_time(client, hand):
    jobs = [hand.begin() for _ in range(3)]
    for action, status in (("cancel", "cancelled"), ("retry", "pending"), ("cancel", "cancelled")):
        before = ok(bulk(client, action=action, ids=jobs, dry_run=True))
        assert before == {"matched": 3, "done": 0, "refused": []}
        assert ok(bulk(client, action=action, ids=jobs)) == {
            "matched": 3,
            "done": 3,
            "refused": [],
        }
        assert {job["status"] for job in ok(client.get("/api/jobs"))["items"]} == {status}
    refused = ok(bulk(client, action="cancel", ids=[*jobs, "nobody"]))["refused"]
    assert [found["id"] for found in refused] == [*jobs, "nobody"]
    assert ok(bulk(client, action="delete", ids=jobs))["done"] == 3
    assert ok(client.get("/api/jobs"))["total"] == 0


def test_many_jobs_are_chosen_as_the_list_chooses_them(client, hand):
    for number in range(1, 8):
        submit(client, params={"n": number})
    hand.define('id = "other"\n[step.a]\ntype = "by_hand"')
    client.post("/api/jobs", json={"definition": "other"})
    some = {"definition": "d", "q": "n 3", "status": "pending,running"}
    assert ok(bulk(client, action="cancel", filter=some, dry_run=True))["matched"] == 1
    assert ok(bulk(client, action="cancel", filter={"definition": "d"}))["done"] == 7
    assert ok(bulk(client, action="cancel", filter={"status": "cancelled"}))["done"] == 0
    assert ok(bulk(client, action="delete", filter={}))["done"] == 7
    assert ok(client.get("/api/jobs"))["total"] == 1


def test_more_jobs_than_a_page_are_matched_all_the_same(client, hand):
    first = ok(submit(client), 202)

    def fill():
        with write() as connection:
            row = connection.execute(select(Job.__table__)).mappings().one()
            rows = [
                {**row, "number": number, "id": f"x{number}", "status": "completed"}
                for number in range(10, 460)
            ]
            connection.execute(insert(Job.__table__), rows)

    hand.do(fill)
    outcome = ok(bulk(client, action="delete", filter={"definition": "d"}))
    assert (outcome["matched"], outcome["done"]) == (451, 450)
    assert outcome["refused"][0]["id"] == first["id"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "cancel"}, "ids"),
        ({"action": "cancel", "ids": [], "filter": {}}, "ids"),
        ({"action": "rerun", "ids": []}, "action"),
        ({"ids": []}, "action"),
        ({"action": "cancel", "ids": "all"}, "ids"),
        ({"action": "cancel", "filter": {"limit": 3}}, "filter"),
        ({"action": "cancel", "filter": {"status": "odd"}}, "filter"),
        ({"action": "cancel", "ids": [], "dry_run": "no"}, "dry_run"),
        ({"action": "cancel", "ids": ["x"] * 10_001}, "ids"),
    ],
)
def test_other_bodies_are_refused(client, hand, body, field):
    problem(bulk(client, **body), 422, field)


# Workers and queues


def test_workers_are_listed_drained_and_unknown_ones_a_404(client, hand):
    assert ok(client.get("/api/workers")) == {"items": []}
    hand.do(workers.register, "w1", 123)
    (worker,) = ok(client.get("/api/workers"))["items"]
    assert (worker["state"], worker["pid"], worker["slots"]) == ("running", 123, 1)
    (drained,) = ok(client.post("/api/workers/w1/drain"), 202)["items"]
    assert drained["state"] == "draining"
    problem(client.post("/api/workers/none/drain"), 404)


def test_a_worker_without_a_heartbeat_is_lost(client, hand, app, monkeypatch):
    hand.do(workers.register, "w1", 123)
    client.get("/api/workers")
    heartbeats = app.extensions["jobsync.heartbeats"]
    monkeypatch.setattr(heartbeats, "_clock", lambda: time.monotonic() + 3600)
    (worker,) = ok(client.get("/api/workers"))["items"]
    assert worker["state"] == "lost"


def test_queues_are_listed_paused_and_resumed(client, hand):
    (queue,) = ok(client.get("/api/queues"))["items"]
    assert queue == {"name": "default", "paused": False, "pending": 0, "running": 0, "workers": 0}
    job_id = hand.begin('[step.a]\nqueue = "gpu"', number=2)
    paused = ok(client.post("/api/queues/gpu/pause"))
    assert paused == {"name": "gpu", "paused": True, "pending": 2, "running": 0, "workers": 1}
    assert hand.claim() == []
    hand.advance(job_id)
    structure = ok(client.get(f"/api/jobs/{job_id}/structure"))
    assert structure["waiting_for"] == "the queue gpu, which is paused"
    assert ok(client.post("/api/queues/gpu/resume"))["paused"] is False
    assert len(hand.claim()) == 1
    for name in ("a b", "x" * 65, "é"):
        problem(client.post(f"/api/queues/{name}/pause"), 422, "name")
