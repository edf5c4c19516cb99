"""The OpenAPI document is valid, and no call that can be made up from it gives a 500 or an
answer that it doesn't describe.
"""

from itertools import cycle

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import checks
from schemathesis.checks import load_all_checks
from schemathesis.generation import GenerationMode
from sqlalchemy import func, select

from helpers.apps import make_app
from helpers.by_hand import Hand, line
from jobsync import lifecycle
from jobsync.db.models import Child, Step
from jobsync.db.transactions import read
from jobsync.lifecycle import workers
from jobsync.monitor import Monitor

EXAMPLES = 20  # made up for each call and mode, besides those that try the limits of each field
CALLS = (
    "GET /api/definitions",
    "GET /api/definitions/{definition_id}",
    "POST /api/definitions/validate",
    "GET /api/jobs",
    "POST /api/jobs",
    "POST /api/jobs/bulk",
    "GET /api/jobs/{job_id}",
    "GET /api/jobs/{job_id}/structure",
    "POST /api/jobs/{job_id}/steps/{step_name}/cancel",
    "POST /api/jobs/{job_id}/steps/{step_name}/retry",
    "GET /api/jobs/{job_id}/steps/{step_name}/children",
    "GET /api/jobs/{job_id}/steps/{step_name}/children/{child_id}",
    "POST /api/jobs/{job_id}/steps/{step_name}/children/{child_id}/cancel",
    "POST /api/jobs/{job_id}/steps/{step_name}/children/{child_id}/retry",
    "GET /api/jobs/{job_id}/logs",
    "GET /api/jobs/{job_id}/logs/download",
    "POST /api/jobs/{job_id}/cancel",
    "POST /api/jobs/{job_id}/retry",
    "POST /api/jobs/{job_id}/rerun",
    "DELETE /api/jobs/{job_id}",
    "GET /api/workers",
    "POST /api/workers/{worker_id}/drain",
    "GET /api/queues",
    "POST /api/queues/{name}/pause",
    "POST /api/queues/{name}/resume",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "POST /metrics/painted",
)
# These paths are also those of a job or definition with such an id, which there never is
BESIDE_IDS = ("/api/jobs/bulk", "/api/definitions/validate")
STEPS = '[step.a]\n[step.b] #\ntype = "by_hand_summed"\ndepends = "a"'
HEAD = (
    '[params.text]\ntype = "string"\ndefault = "x"\n[params.count]\ntype = "integer"\ndefault = 1'
)


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """Return the schema, loaded from an app that calls itself ready; `api.hand` drives its jobs."""
    folder = tmp_path_factory.mktemp("api")
    app = make_app(folder)
    app.extensions["jobsync.monitor"] = Monitor(app)
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", app)
    with app.app_context():
        workers.register("w1", 1)
        workers.register("drained", 2)
        schema.hand = Hand(app, folder)
    load_all_checks()
    return schema


def jobs_in_every_status(hand):
    """Return the ids of a pending, a running, a completed, a failed and a cancelled job, most
    with lines and children.
    """
    with hand.app.app_context():
        workers.beat("w1")  # so that readiness has no reason to be refused
        running = hand.begin(STEPS, number=3, head=HEAD)
        hand.complete(*hand.claim(), lines=[line("café <b>\x1b[31m"), line("oh", "error")])
        completed, failed, cancelled = (hand.submit(STEPS, HEAD) for _ in range(3))
        for job_id in (cancelled, running):
            lifecycle.cancel(job_id)
        lifecycle.retry(running)
        hand.advance(running)
        assert [hand.run_out(completed), hand.run_out(failed, "fail")] == ["completed", "failed"]
        return [hand.submit(STEPS, HEAD), running, completed, failed, cancelled]


def made_up(api, operation, mode):
    """Return a test that is called with each made-up case."""
    quiet = settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    return lambda check: quiet(given(case=operation.as_strategy(generation_mode=mode))(check))()


def test_the_document_is_valid_and_names_every_call(api):
    api.validate()
    assert api.raw_schema["openapi"] == "3.0.3"
    assert sorted(found.ok().label for found in api.get_all_operations()) == sorted(CALLS)


def test_no_route_of_the_api_is_left_out_of_the_document(api):
    rules = [rule for rule in api.app.url_map.iter_rules() if rule.rule.startswith("/api/")]
    routes = {
        f"{method} {rule.rule.replace('<', '{').replace('>', '}')}"
        for rule in rules
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert routes - set(CALLS) == {"GET /api/docs", "GET /api/openapi.json"}


@pytest.mark.parametrize("call", CALLS)
def test_every_answer_is_as_described(api, call):
    operation = api.find_operation_by_label(call)
    names = cycle(jobs_in_every_status(api.hand))
    children = children_of(api.hand)
    called = []

    def check(case):
        called.append(call_as_made_up(case))
        called.append(call_with_real_names(case, next(names), children))

    for case in api.iter_coverage_cases(
        operation, generation_modes=list(GenerationMode), generation_config=api.config.generation
    ):
        check(case)
    made_up(api, operation, GenerationMode.POSITIVE)(check)
    if operation.query or operation.body:  # a path or a call without input can't be made wrong
        made_up(api, operation, GenerationMode.NEGATIVE)(check)
    assert {response.status_code for response in called} & {200, 202, 204}


def call_as_made_up(case):
    """Call, and check all but that good data are taken: the document can't tell a real cursor,
    name or status list from another.
    """
    response = case.call()
    left_out = ["positive_data_acceptance"]
    if case.operation.path in BESIDE_IDS:
        left_out.append("allow_header_conformance")
    case.validate_response(
        response, excluded_checks=[checks.CHECKS.get_one(name) for name in left_out]
    )
    return response


def children_of(hand):
    """Return `{job id: the id of its first child}`."""
    with hand.app.app_context(), read() as connection:
        query = select(Step.job_id, func.min(Child.pk)).join(Child, Child.step_pk == Step.pk)
        return dict(connection.execute(query.where(Step.name == "a").group_by(Step.job_id)).all())


def call_with_real_names(case, job_id, children):
    """Call again for a job, step, child and definition that there are, so that the answer isn't
    always a 404.
    """
    real = {"job_id": job_id, "step_name": "a", "definition_id": "d"}
    real |= {"worker_id": "drained", "name": "spare", "child_id": str(children.get(job_id, 0))}
    for name in case.path_parameters or ():
        case.path_parameters[name] = real[name]
    if isinstance(case.query, dict) and case.query.get("step"):
        case.query["step"] = "a"
    if isinstance(case.body, dict) and isinstance(case.body.get("definition"), str):
        case.body["definition"] = "d"
    response = case.call()
    names = (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    )
    case.validate_response(response, checks=[checks.CHECKS.get_one(name) for name in names])
    return response
