"""codebase_report: what it says of a tree, put together by the steps that ship from real files."""

import tomllib

import pytest

from helpers.folder_steps import FolderContext, run_step, write_tree
from jobsync.base.errors import StepFailed
from jobsync.steps.codebase.agent import agent
from jobsync.steps.codebase.code_map import code_map
from jobsync.steps.codebase.local_dir import local_dir
from jobsync.steps.codebase.report import Codes, codebase_report
from jobsync.steps.codebase.rules import RulesSchema, mistakes_in

PROJECT = {
    "README.md": "# Title\n\nText.\n",
    "src/app/main.py": '"""Main."""\n\nimport os\n\n\ndef main():\n    return os\n',
    "src/app/util.py": "x = 1\ny = 2\n",
    "src/web/page.js": "// a comment\nlet x = 1;\n",
    "src/web/page.css": "a { b: c }\n",
    "tests/test_main.py": "def test_main():\n    assert True\n",
    "data/one.qqq": "1\n",
    "data/two.qqq": "2\n",
    "odd": "?\n",
    "logo.png": b"\x89PNG\x00",
    "copy.png": b"\x89PNG\x00",
    "empty.txt": "",
    "void.txt": "",
}


def report(root, before=None, **options):
    imported = run_step(local_dir, dir_path=str(root), before=before, **options)
    mapped = run_step(code_map, dir_path=str(root), **options)
    classified = run_step(
        agent,
        agent_type="rule_classifier",
        imports={"import_files": ("local_dir", imported.results)},
    )
    steps = {
        "import_files": ("local_dir", imported),
        "code_map": ("code_map", mapped),
        "classify": ("agent", classified),
    }
    done = run_step(
        codebase_report,
        imports={name: (kind, step.results) for name, (kind, step) in steps.items()},
        summaries={name: step.summary for name, (_, step) in steps.items()},
    )
    return done.summary, imported


@pytest.fixture
def project(tmp_path):
    return write_tree(tmp_path, PROJECT)


def test_it_says_in_one_sentence_what_a_tree_is(project):
    summary = report(project)[0]["summary"]
    assert summary == (
        "A Python project (Python 71 %, CSS 14 %, JavaScript 14 %): 7 lines of code, 2 lines "
        "of tests (0.29 to each line of code), 3 documents; "
        "13 files in 162 bytes."
    )


@pytest.mark.parametrize(
    ("files", "summary"),
    [
        ({}, "There is nothing in this folder."),
        (
            {"README.md": "x\n", "a.csv": "1,2\n"},
            "No program: 2 files in 6 bytes, of which 1 document.",
        ),
        (
            {"vendor/a.js": "x = 1\n"},
            "No program of its own: 1 file in 6 bytes, of which 1 vendored file and 0 documents.",
        ),
        (
            {"a.rs": "fn main() {}\n"},
            "A Rust project: 1 line of code, none of tests, 0 documents; 1 file in 13 bytes.",
        ),
        (
            {"tests/test_a.py": "x = 1\n"},
            "Tests alone: 1 line of tests, 0 documents; 1 file in 6 bytes.",
        ),
    ],
)
def test_it_has_a_sentence_for_every_kind_of_tree(tmp_path, files, summary):
    assert report(write_tree(tmp_path, files))[0]["summary"] == summary


def test_it_says_what_it_knows_nothing_of(tmp_path):
    write_tree(tmp_path, {"a.py": "x = 1\n", "b.py": "y = 1\n", "large.py": "x" * 100})
    (tmp_path / "link").symlink_to("a.py")
    assert report(tmp_path)[0]["left_out"] == "1 not read"
    assert report(tmp_path, max_file_size=50)[0]["left_out"] == "2 not read"
    assert report(tmp_path, max_files=1)[0]["left_out"] == "all but the first 1 of 4 files"
    assert (
        report(tmp_path, max_files=3, max_file_size=50)[0]["left_out"]
        == "1 not read, all but the first 3 of 4 files"
    )
    (tmp_path / "link").unlink()
    assert report(tmp_path)[0]["left_out"] is None


def test_a_tree_that_was_cut_is_called_so_first_and_by_how_much(tmp_path):
    write_tree(tmp_path, {f"{number:03}.py": "x = 1\n" for number in range(312)})
    found, imported = report(tmp_path, max_files=120)
    assert found["summary"].startswith(
        "Only the first 120 of 312 files are in this report. A Python project: 120 lines of code"
    )
    assert imported.log.warnings() == [
        "the first 120 of 312 files (max_files): the rest is left out"
    ]
    whole, _ = report(tmp_path, max_files=312)
    assert whole["summary"].startswith("A Python project: 312 lines of code")


def test_tests_are_counted_against_code(project):
    found = report(project)[0]
    assert (found["code"], found["test_code"], found["tests_to_code"]) == (7, 2, 0.29)
    assert found["categories"]["source"] == {"files": 4, "bytes": 98, "lines": 12, "code": 7}


def test_what_only_one_of_its_steps_knows_of_is_left_out_of_the_lines_of_code():
    walk = ["a/b", "a/c/d", "a.b", "b", "c"]
    codes = Codes(
        iter(
            [
                {"path": path, "code": 1 + number}
                for number, path in enumerate(walk)
                if path != "a.b"
            ]
        )
    )
    assert [codes.of(path) for path in ("a/c/d", "a.b", "b", "d")] == [2, 0, 4, 0]


def test_it_says_where_the_code_is_with_all_that_lies_below_a_folder(project):
    found = report(project)[0]
    assert found["where_the_code_is"] == "src 78 %, tests 22 %"
    assert found["directories"] == {
        "src": {"files": 4, "code": 7, "test_code": 0},
        "src/app": {"files": 2, "code": 5, "test_code": 0},
        "src/web": {"files": 2, "code": 2, "test_code": 0},
        "tests": {"files": 1, "code": 0, "test_code": 2},
    }
    rows = {row["path"]: row["parent"] for row in found["treemap"]}
    assert rows == {".": None, "src": ".", "src/app": "src", "src/web": "src", "tests": "."}


def test_every_folder_of_a_treemap_has_its_parent_there(tmp_path):
    write_tree(
        tmp_path,
        {
            f"{'/'.join(str(number % base) for base in (2, 3, 5, 7))}/{number}.py": "x = 1\n"
            * (number % 9 + 1)
            for number in range(600)
        },
    )
    rows = report(tmp_path)[0]["treemap"]
    seen = set()
    for row in rows:
        assert row["parent"] is None or row["parent"] in seen, row
        seen.add(row["path"])
    assert len(rows) == 150


def test_what_stayed_unknown_comes_with_the_rules_that_would_catch_it(project):
    found = report(project)[0]
    assert found["unclassified"] == "3 files, most of them *.qqq"
    assert [(row["files"], row["for"]) for row in found["unknown"]["rules"]] == [
        (2, "*.qqq"),
        (1, "odd"),
    ]
    rules = tomllib.loads("\n".join(row["rule"] for row in found["unknown"]["rules"]))
    assert list(mistakes_in(rules)) == []
    again = run_step(local_dir, dir_path=str(project)).results
    from_text = project / "rules.toml"
    from_text.write_text("\n".join(row["rule"] for row in found["unknown"]["rules"]))
    done = run_step(
        agent,
        agent_type="rule_classifier",
        rules=str(from_text),
        imports={"i": ("local_dir", again)},
    )
    taken = {
        file["path"]
        for result in done.results
        for file in result["files"]
        if file["category"] != "unknown"
    }
    assert taken == {"data/one.qqq", "data/two.qqq", "odd"}
    assert RulesSchema().load(rules)


@pytest.mark.parametrize("name", ['a".q"q', "[x]", "!x", "#x", "line\nend", "x" * 200, "é", "a\\b"])
def test_a_file_of_an_odd_name_gets_no_rule_rather_than_a_wrong_one(tmp_path, name):
    found = report(write_tree(tmp_path, {name: "?\n"}))[0]
    for row in found["unknown"]["rules"]:
        assert row["rule"] is None or list(mistakes_in(tomllib.loads(row["rule"]))) == []


def test_it_finds_files_of_the_same_bytes_but_no_empty_ones(project):
    found = report(project)[0]
    assert found["duplicated"] == "1 copy of 1 file, 5 bytes"
    assert found["duplicates"] == {
        "copies": 1,
        "of": 1,
        "bytes": 5,
        "examples": [{"files": 2, "bytes": 5, "paths": ["copy.png", "logo.png"]}],
    }


def test_it_says_what_changed_since_the_last_run(project):
    first, imported = report(project)
    assert (first["changed"], first["changes"]) == (None, None)
    (project / "odd").unlink()
    write_tree(project, {"src/app/new.py": "z = 1\n"})
    found = report(project, before=imported)[0]
    assert found["changed"] == "1 added, 1 removed since 2096-10-02 07:06 UTC"
    assert found["changes"]["examples"] == [
        {"path": "odd", "change": "removed"},
        {"path": "src/app/new.py", "change": "added"},
    ]
    assert (
        report(project, before=run_step(local_dir, dir_path=str(project)))[0]["changed"]
        == "nothing since 2096-10-02 07:06 UTC"
    )


def test_it_names_the_largest_and_the_most_deeply_nested_with_the_rule_that_decided(project):
    found = report(project)[0]
    assert found["largest"][0] == {
        "path": "src/app/main.py",
        "bytes": 51,
        "lines": 7,
        "code": 3,
        "category": "source",
        "rule": "python",
    }
    assert found["deepest"][0] == {"path": "src/app/main.py", "depth": 2}


def test_it_tells_what_no_one_wrote_by_hand(tmp_path):
    write_tree(
        tmp_path,
        {
            "a.pb.go": "// Code generated by protoc-gen-go. DO NOT EDIT.\npackage a\n",
            "a.min.js": "var a=1;" * 400 + "\n",
        },
    )
    found = report(tmp_path)[0]
    assert found["not_by_hand"] == "1 generated, 1 minified"
    assert found["generated"]["files"] == 1 and found["minified"]["files"] == 1


def test_it_says_which_steps_it_needs(tmp_path):
    context = FolderContext(codebase_report, imports={"import_files": ("local_dir", [])})
    with pytest.raises(StepFailed, match="depends names none of type code_map, agent"):
        codebase_report.run(context, {})
