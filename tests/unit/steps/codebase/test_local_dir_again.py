"""local_dir over a folder that it imported before: what it doesn't read again, and what it says
has changed.
"""

import os
import random
import shutil
import sys

import pytest

from helpers import folder_steps
from helpers.folder_steps import STARTED_BEFORE, FolderContext, planned_paths, run_step, write_tree
from jobsync.steps.codebase import folder
from jobsync.steps.codebase.code_map import code_map
from jobsync.steps.codebase.local_dir import local_dir

MODULES = {
    step_type: sys.modules[f"jobsync.steps.codebase.{step_type.name}"]
    for step_type in (local_dir, code_map)
}

MANY = {
    f"{folder}/{number:03}.py": f"x = {number}\n"
    for folder in ("a", "b", "c")
    for number in range(70)
}


def run(root, **options):
    return run_step(local_dir, dir_path=str(root), **options)


def numbers_of(done):
    changes = done.summary["changes"]
    return {name: changes[name] for name in ("added", "removed", "modified", "unchanged")}


def changed(added=0, removed=0, modified=0, unchanged=0):
    return {"added": added, "removed": removed, "modified": modified, "unchanged": unchanged}


def examples_of(done):
    return {example["path"]: example["change"] for example in done.summary["changes"]["examples"]}


def records_of(done):
    return [file for result in done.results for file in result["files"]]


@pytest.fixture
def reads(monkeypatch):
    """The paths that are opened, in order."""
    opened, open_one = [], folder.Folder.open

    def note(self, parts):
        opened.append("/".join(parts))
        return open_one(self, parts)

    monkeypatch.setattr(folder.Folder, "open", note)
    return opened


def test_a_first_run_has_nothing_to_compare_with(tmp_path):
    write_tree(tmp_path, MANY)
    done = run(tmp_path)
    assert done.summary["changes"] is None and done.summary["reused"] == 0


def test_an_unchanged_folder_is_not_read_again_and_has_the_same_result(tmp_path, reads):
    write_tree(tmp_path, MANY)
    first = run(tmp_path)
    assert len(reads) == 210
    reads.clear()
    second = run(tmp_path, before=first)
    assert reads == [] and second.summary["reused"] == 210
    assert numbers_of(second) == changed(unchanged=210) and examples_of(second) == {}
    assert second.summary["changes"]["since"] == {
        "job_id": "job before",
        "at": "2096-10-02T07:06:40.000Z",
    }
    assert records_of(second) == records_of(first)
    assert {**second.summary, "changes": None, "reused": 0} == first.summary


def test_it_says_what_was_added_removed_and_modified_and_reads_only_that(tmp_path, reads):
    write_tree(tmp_path, MANY)
    first = run(tmp_path)
    (tmp_path / "a/010.py").unlink()
    write_tree(
        tmp_path, {"a/new.py": "1\n", "b/020.py": "now = 'longer'\n", "z": "last\n", "A": "first\n"}
    )
    reads.clear()
    second = run(tmp_path, before=first)
    assert reads == ["A", "a/new.py", "b/020.py", "z"]
    assert numbers_of(second) == changed(added=3, removed=1, modified=1, unchanged=208)
    assert examples_of(second) == {
        "A": "added",
        "a/new.py": "added",
        "a/010.py": "removed",
        "b/020.py": "modified",
        "z": "added",
    }


def test_a_file_of_another_time_is_read_and_is_modified_only_if_its_bytes_are(tmp_path, reads):
    write_tree(tmp_path, MANY)
    first = run(tmp_path)
    os.utime(tmp_path / "a/001.py", (1, 1))
    (tmp_path / "a/002.py").write_text("y = 2\n")
    os.utime(tmp_path / "a/002.py", (1, 1))
    reads.clear()
    second = run(tmp_path, before=first)
    assert reads == ["a/001.py", "a/002.py"]
    assert examples_of(second) == {"a/002.py": "modified"}


def test_a_file_written_just_before_it_was_read_is_read_again(tmp_path, reads):
    """Its time may be as coarse as two seconds: it could have been written once more, with the
    same size, within the same tick.
    """
    write_tree(tmp_path, {"old": "1\n", "young": "1\n"})
    os.utime(tmp_path / "young", (STARTED_BEFORE // 1000 - 1,) * 2)
    first = run(tmp_path)
    (tmp_path / "young").write_text("2\n")
    os.utime(tmp_path / "young", (STARTED_BEFORE // 1000 - 1,) * 2)
    reads.clear()
    second = run(tmp_path, before=first)
    assert reads == ["young"] and examples_of(second) == {"young": "modified"}


def write_unseen(path, text):
    """Give a file another content and its old modification time, once the clock of its last
    change has moved on.
    """
    before = path.stat()
    path.write_text(text)
    while path.stat().st_ctime_ns // 1_000_000 == before.st_ctime_ns // 1_000_000:
        os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.mark.parametrize("step_type", [local_dir, code_map])
def test_a_file_of_the_same_size_and_time_is_read_again_if_anything_of_it_was_changed_since(
    tmp_path, reads, step_type
):
    write_tree(tmp_path, MANY)
    first = run_step(step_type, dir_path=str(tmp_path))
    write_unseen(tmp_path / "b/020.py", "# = 20\n")
    reads.clear()
    second = run_step(step_type, dir_path=str(tmp_path), before=first)
    assert reads == ["b/020.py"]
    if step_type is local_dir:
        assert numbers_of(second) == changed(modified=1, unchanged=209)
        assert second.summary["reused"] == 209
    else:
        assert (second.summary["code"], second.summary["comment"]) == (209, 1)


def test_a_file_that_was_changed_while_it_may_have_been_read_is_read_again(
    tmp_path, reads, monkeypatch
):
    write_tree(tmp_path, {"a": "1\n"})
    os.utime(tmp_path / "a", (1, 1))
    changed_at = (tmp_path / "a").stat().st_ctime_ns // 1_000_000
    first = run(tmp_path)
    for started_at, again in [(changed_at, ["a"]), (changed_at + 1, [])]:
        monkeypatch.setattr(folder_steps, "STARTED_BEFORE", started_at)
        reads.clear()
        run(tmp_path, before=first)
        assert reads == again


def test_a_file_that_was_too_large_to_read_is_compared_by_size_and_time(tmp_path):
    write_tree(tmp_path, {"grown": "x" * 100, "same": "x" * 100})
    first = run(tmp_path, max_file_size=50)
    write_tree(tmp_path, {"grown": "x" * 101})
    assert examples_of(run(tmp_path, max_file_size=50, before=first)) == {"grown": "modified"}


UNREAD = {"sha256": None, "lines": None, "binary": None, "generated": None}


@pytest.mark.parametrize(
    "record",
    [{"mtime": None}, UNREAD | {"error": "Permission denied"}],
    ids=["no time", "not read"],
)
def test_a_file_of_which_not_all_is_known_is_read(tmp_path, reads, record):
    """A time beyond the calendar isn't written down; and a file that may be read by now has the
    size and time that it had.
    """
    write_tree(tmp_path, {"a": "1\n", "b": "1\n"})
    first = run(tmp_path)
    first.results[0]["files"][0].update(record)
    reads.clear()
    run(tmp_path, before=first)
    assert reads == ["a"]


def test_all_that_was_in_a_folder_that_is_empty_now_is_missed(tmp_path):
    write_tree(tmp_path, MANY)
    first = run(tmp_path)
    for name in ("a", "b", "c"):
        shutil.rmtree(tmp_path / name)
    second = run(tmp_path, before=first)
    assert numbers_of(second) == changed(removed=210) and len(examples_of(second)) == 20
    third = run(tmp_path, before=second)
    assert numbers_of(third) == changed()


def test_what_is_no_file_is_summed_up_anew(tmp_path):
    write_tree(tmp_path, {"a": "1\n", "b": "1\n"})
    (tmp_path / "c").symlink_to("b")
    first = run(tmp_path)
    assert first.summary["skipped_reasons"] == {"symbolic link": 1}
    (tmp_path / "c").unlink()
    os.mkfifo(tmp_path / "c")
    assert run(tmp_path, before=first).summary["skipped_reasons"] == {"named pipe": 1}


def test_a_file_that_became_a_folder_or_a_link_is_removed(tmp_path):
    write_tree(tmp_path, {"a": "1\n", "b": "1\n", "c": "1\n"})
    first = run(tmp_path)
    (tmp_path / "a").unlink()
    write_tree(tmp_path, {"a/inner": "1\n"})
    (tmp_path / "c").unlink()
    (tmp_path / "c").symlink_to("b")
    assert examples_of(run(tmp_path, before=first)) == {
        "a": "removed",
        "a/inner": "added",
        "c": "removed",
    }


def test_what_a_run_that_was_cut_never_saw_is_neither_added_nor_removed(tmp_path):
    write_tree(tmp_path, MANY)
    cut = run(tmp_path, max_files=100)
    (tmp_path / "a/000.py").unlink()
    (tmp_path / "c/000.py").unlink()
    whole = run(tmp_path, before=cut)
    assert numbers_of(whole) == changed(removed=1, unchanged=99)
    again = run(tmp_path, max_files=60, before=whole)
    assert numbers_of(again) == changed(unchanged=60), (
        "what lies behind its own end it can't know either"
    )


@pytest.mark.parametrize("seed", range(20))
def test_any_changes_are_found(tmp_path, monkeypatch, seed):
    rng = random.Random(seed)
    monkeypatch.setattr(
        MODULES[local_dir],
        "FILES_LOOKED_AT_PER_CHILD",
        rng.choice([(1, 7), (60, 100), (400, 4000)]),
    )
    names = [
        f"{rng.choice('abcd')}/{rng.choice(['', 'in/', 'é/'])}{number}" for number in range(300)
    ]
    write_tree(tmp_path, dict.fromkeys(names, "old\n"))
    links = [tmp_path / folder / "link" for folder in "abcd" if rng.random() < 0.5]
    for link in links:
        link.symlink_to("nowhere")
    write_tree(tmp_path, {"d/large": "x" * 100})
    first = run(tmp_path, max_file_size=50)
    for link in links[::2]:
        link.unlink()
    gone, changes = set(rng.sample(names, rng.choice([0, 3, 250]))), {}
    for name in gone:
        (tmp_path / name).unlink()
        changes[name] = "removed"
    for name in rng.sample([name for name in names if name not in gone], rng.choice([0, 5, 40])):
        (tmp_path / name).write_text("newer\n")
        changes[name] = "modified"
    for number in range(rng.choice([0, 4, 200])):
        name = f"{rng.choice('abcde')}/new{number}"
        write_tree(tmp_path, {name: "new\n"})
        changes[name] = "added"
    second = run(tmp_path, before=first, max_file_size=50)
    kinds = list(changes.values())
    assert numbers_of(second) == changed(
        *(kinds.count(kind) for kind in ("added", "removed", "modified")),
        301 - len(gone) - kinds.count("modified"),
    )
    assert {**second.summary, "changes": None, "reused": 0} == run(
        tmp_path, max_file_size=50
    ).summary, "as if it were the first"
    assert all(changes[path] == change for path, change in examples_of(second).items())


@pytest.mark.parametrize("stored", [1, 3, 5])
def test_an_interrupted_plan_goes_on_with_the_same_run_before(tmp_path, monkeypatch, stored):
    monkeypatch.setattr(MODULES[local_dir], "FILES_LOOKED_AT_PER_CHILD", (50, 1000))
    write_tree(tmp_path, {f"{number:04}": "" for number in range(400)})
    first = run(tmp_path)
    (tmp_path / "0399").unlink()
    whole = run(tmp_path, before=first)
    rest = FolderContext(
        local_dir, dir_path=str(tmp_path), before=first, last_input=whole.units[stored - 1].input
    )
    rest.last_run = None  # isn't asked for again: by now another run could be the latest
    assert [unit.input for unit in local_dir.planner(rest)] == [
        unit.input for unit in whole.units[stored:]
    ]


def test_a_run_over_another_folder_is_no_run_before(tmp_path):
    write_tree(tmp_path, {"one/a": "", "two/b": ""})
    first = run(tmp_path / "one")
    assert run(tmp_path / "two", before=first).summary["changes"] is None


def test_where_the_run_before_is_deleted_meanwhile_nothing_is_said_of_changes(tmp_path, reads):
    write_tree(tmp_path, MANY)
    first = run(tmp_path)
    planned = FolderContext(local_dir, dir_path=str(tmp_path), before=first)
    units = list(local_dir.planner(planned))
    planned.result = lambda child_id: None
    reads.clear()
    results = [local_dir.run(planned, unit.input) for unit in units]
    assert len(reads) == 210, "all is read"
    assert local_dir.summary(planned, [result["sums"] for result in results])["changes"] is None


def test_a_run_before_that_is_deleted_while_this_one_is_planned_makes_no_file_new(tmp_path):
    write_tree(tmp_path, MANY)
    first = run(tmp_path)
    half = first._replace(units=first.units[:2])
    context = FolderContext(local_dir, dir_path=str(tmp_path), before=half)
    context.last_run = lambda: {
        "id": "before",
        "job_id": "job before",
        "started_at": STARTED_BEFORE,
        "child_count": len(first.units),
    }
    results = [local_dir.run(context, unit.input)["sums"] for unit in local_dir.planner(context)]
    assert local_dir.summary(context, results)["changes"] is None


def test_the_plan_lists_each_file_once(tmp_path):
    write_tree(tmp_path, MANY)
    first = run(tmp_path)
    assert planned_paths(run(tmp_path, before=first).units) == sorted(MANY)


def count_sums(monkeypatch, step_type):
    """Return a list that gets the number of files of each batch whose sums are made from its
    files' records.
    """
    numbers, add_up = [], MODULES[step_type].add_up

    def note(files, *others):
        numbers.append(len(files))
        return add_up(files, *others)

    monkeypatch.setattr(MODULES[step_type], "add_up", note)
    return numbers


def ends_of(done):
    return [unit.input["files"][-1] for unit in done.units]


@pytest.mark.parametrize("step_type", [local_dir, code_map])
def test_the_sums_of_what_is_unchanged_are_taken_over_wherever_files_came_and_went(
    tmp_path, monkeypatch, step_type
):
    write_tree(
        tmp_path,
        {
            f"{folder}/{number:03}.py": f"x = {number}\n"
            for folder in "abcdef"
            for number in range(200)
        },
    )
    monkeypatch.setattr(MODULES[local_dir], "FILES_LOOKED_AT_PER_CHILD", (100, 4000))
    first = run_step(step_type, dir_path=str(tmp_path))
    write_tree(tmp_path, {"a/0.py": "first\n"})
    (tmp_path / "f/111.py").unlink()
    made = count_sums(monkeypatch, step_type)
    second = run_step(step_type, dir_path=str(tmp_path), before=first)
    assert set(ends_of(second)) <= set(ends_of(first)), (
        "batches end where they did, so that they stand for the same files"
    )
    assert 2 <= len(made) < len(second.units) and sum(made) < 400, "only where a file came or went"
    made.clear()
    third = run_step(step_type, dir_path=str(tmp_path), before=second)
    assert made == [] and ends_of(third) == ends_of(second)
    anew = run_step(step_type, dir_path=str(tmp_path)).summary
    assert {
        **third.summary,
        **{name: anew[name] for name in ("changes", "reused") if name in anew},
    } == anew


def test_where_nothing_is_as_it_was_batches_do_not_grow_without_end(tmp_path):
    write_tree(tmp_path, {"z": "1\n"})
    first = run(tmp_path)
    write_tree(tmp_path, {f"{number:04}": "" for number in range(2000)})
    second = run(tmp_path, before=first)
    assert [len(unit.input["files"]) for unit in second.units] == [800, 800, 401]
