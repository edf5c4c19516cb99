"""The rules that ship, scored against 300 files of real trees that were labelled by hand.

`pytest -s tests/integration/test_labels.py` shows the scores.
"""

import pytest

from helpers.folder_steps import run_step
from helpers.trees import TREES, fetch
from integration.labels import HALVES, Score, labels
from jobsync.steps.codebase.agent import agent
from jobsync.steps.codebase.local_dir import local_dir
from jobsync.steps.codebase.rules import CATEGORIES


@pytest.fixture(scope="module")
def classified():
    """{(package, path): file} of all files of the trees."""
    found = {}
    for tree in TREES.values():
        imported = run_step(local_dir, dir_path=str(fetch(tree)), gitignore=False)
        done = run_step(
            agent,
            agent_type="rule_classifier",
            imports={"import_files": ("local_dir", imported.results)},
        )
        found.update(
            {(tree.name, file["path"]): file for result in done.results for file in result["files"]}
        )
    return found


@pytest.mark.parametrize("half", HALVES)
def test_the_rules_are_right_on_at_least_95_in_100_files(half, classified):
    score = Score(half, classified)
    print(f"\n{score.text(half)}")
    assert len(score.rows) == 150
    assert score.share >= 0.95


def test_the_labels_are_of_all_trees_and_no_file_is_in_both_halves():
    tune, kept = (labels(half) for half in HALVES)
    assert {label.package for label in tune} == {label.package for label in kept} == set(TREES)
    assert not {(label.package, label.path) for label in tune} & {
        (label.package, label.path) for label in kept
    }
    assert {category for label in tune + kept for category in label.right} <= set(CATEGORIES)
