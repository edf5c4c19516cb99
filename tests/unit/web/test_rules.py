"""The rules of a definition and its steps in words, and nothing of what is usual."""

import pytest

from jobsync.definitions.duration import read_duration
from jobsync.web.rules import rules_of_definition, rules_of_step, spoken

CASES = {
    "": [],
    'queue = "gpu"': ["in the queue gpu"],
    "concurrency = 1": ["at most 1 child runs at once"],
    "concurrency = 4": ["at most 4 children run at once"],
    "retries = 1": ["one more try for each child that fails"],
    "retries = 3": ["3 more tries for each child that fails"],
    'retries = 1\nretry_delay = "10s"': ["one more try for each child that fails, after some 10 s"],
    'retries = 3\nretry_delay = "10s"': [
        "3 more tries for each child that fails, after some 10 s, then twice as long each time, "
        "at most 1 h"
    ],
    'retries = 3\nretry_delay = "10s"\nretry_backoff = 1.5\nretry_max_delay = "1m30s"': [
        "3 more tries for each child that fails, after some 10 s, then 1.5 times as long each "
        "time, at most 1 min 30 s"
    ],
    'retries = 3\nretry_delay = "10s"\nretry_backoff = 1': [
        "3 more tries for each child that fails, after some 10 s each time"
    ],
    "retries = 2\nretry_on = [75]": ["2 more tries for each child that fails with exit code 75"],
    'retries = 2\nretry_on = [1, 75, "TimeoutError"]': [
        "2 more tries for each child that fails with exit codes 1 or 75, or TimeoutError"
    ],
    'retry_delay = "10s"': [],
    "rerun_when_lost = true": ["begun again if its worker dies"],
    'timeout = "10m"\nstep_timeout = "2h"\nstall_timeout = 45': [
        "at most 10 min a try",
        "at most 2 h for all of it",
        "at most 45 s without a line or progress",
    ],
    'cancel_grace = "1m"': ["has 1 min to stop by itself"],
    'cancel_grace = "10000ms"': [],
    'cancel_grace = "0s"': ["is killed at once"],
    'max_child_failures = 1500\non_error = "continue"\nalways_run = true': [
        "always runs",
        "up to 1,500 failed children don't fail it",
        "the job goes on if it fails",
    ],
}


@pytest.mark.parametrize("keys", CASES)
def test_a_step_says_what_differs_from_the_usual(hand, keys):
    definition = hand.define(f'id = "d"\n[step.a]\ntype = "command"\nrun = ["true"]\n{keys}')
    assert list(rules_of_step(definition.steps[0])) == CASES[keys]


def test_what_is_done_again_without_harm_says_so_only_where_it_may_not(hand):
    text = 'id = "d"\n[step.a]\ntype = "test_job_generator"\n'
    assert list(rules_of_step(hand.define(text).steps[0])) == []
    steps = hand.define(text + "rerun_when_lost = false").steps
    assert list(rules_of_step(steps[0])) == ["not begun again if its worker dies"]


def test_a_definition_says_its_limits_and_its_priority(hand, browser):
    params = '[params.folder]\ntype = "path"\ndefault = "."\n'
    text = 'id = "d"\n{}\n' + params + '[step.a]\ntype = "by_hand"'
    limit = 'timeout = "1h30m"\nconcurrency = 1\nconcurrency_key = "{folder}"\npriority = -5'
    said = [
        "a job takes at most 1 h 30 min",
        "at most 1 job runs at once for each value of {folder}, others wait",
        "priority -5",
    ]
    assert list(rules_of_definition(hand.define(text.replace("{}", limit)))) == said
    assert " · ".join(said) in browser.get("/definitions/d").text
    several = list(rules_of_definition(hand.define(text.replace("{}", "concurrency = 2"))))
    assert several == ["at most 2 jobs run at once, others wait"]
    assert list(rules_of_definition(hand.define(text.replace("{}", "")))) == []


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("250ms", "250 ms"),
        (90, "1 min 30 s"),
        ("1d2h", "1 d 2 h"),
        ("3600s", "1 h"),
        ("0s", "0 s"),
    ],
)
def test_durations_are_said_whatever_they_are_written_as(written, words):
    assert spoken(read_duration(written, zero=True)) == words
