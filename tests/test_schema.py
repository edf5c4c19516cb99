"""The OpenAPI document is valid, and no call that can be made up from it gives a 500 or an answer that it doesn't describe."""

from itertools import count

import pytest
import schemathesis
from by_hand import Hand, line
from conftest import make_app
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS
from schemathesis.generation import GenerationMode
from schemathesis.config import SchemathesisConfig

EXAMPLES = 25  # made up for each call, besides those that try the limits of each field
DEFINITION = """
id = "d"
[params.text]
type = "string"
default = "x"
[params.number]
type = "integer"
default = 1
[step.a]
type = "by_hand_summed"
[step.b]
type = "by_hand"
depends = "a"
"""


class Api:
    """An app with jobs in every status and the names of what is in it."""

    def __init__(self, folder):
        self.app = make_app(folder)
        self.schema = schemathesis.openapi.from_wsgi("/api/openapi.json", self.app)
        with self.app.app_context():
            hand = Hand(self.app, folder)
            hand.define(DEFINITION)


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    return Api(tmp_path_factory.mktemp("api"))


CALLS = ["GET /api/definitions","GET /api/definitions/{definition_id}", "GET /api/jobs","POST /api/jobs","GET /api/jobs/{job_id}", "DELETE /api/jobs/{job_id}", "POST /api/jobs/{job_id}/cancel","POST /api/jobs/{job_id}/retry","POST /api/jobs/{job_id}/rerun",
"GET /api/jobs/{job_id}/structure","GET /api/jobs/{job_id}/steps/{step_name}/children","GET /api/jobs/{job_id}/logs","GET /api/jobs/{job_id}/logs/download","GET /healthz","GET /readyz"]

@pytest.mark.parametrize("call", CALLS)
def test_every_call_answers_as_described(api, call):
    operation = api.schema.find_operation_by_label(call)
    n=0
    for case in api.schema.iter_coverage_cases(operation, generation_modes=list(GenerationMode), generation_config=api.schema.config.generation):
        n+=1
        try:
            case.call_and_validate()
        except Exception as e:
            print("COV", str(e)[:1500])
    print(n)
    for mode in GenerationMode:
      try:
        @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case):
          try:
            case.call_and_validate()
          except Exception as e:
            print(mode, str(e)[:1000])
        check()
      except Exception as e: print(repr(e))
    assert 0

def test_valid(api):
    api.schema.validate()
