"""local_dir: the walk, the order, what it leaves out, what it survives, and that its numbers are those of other programs."""

import hashlib
import json
import os
import random
import shutil
import socket
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import pytest
from folder_steps import FakeContext, planned_paths, run_step, write_tree
from marshmallow import ValidationError

from jobsync.errors import StepFailed, Stopped
from jobsync.steps.local_dir import local_dir
from jobsync.text import path_to_text, text_to_path

STDLIB = sysconfig.get_paths()["stdlib"]


def run(root, **options):
    return run_step(local_dir, dir_path=str(root), **options)


def paths_of(done):
    return [file["path"] for result in done.results for file in result["files"]]


def files_of(done):
    return {file["path"]: file for result in done.results for file in result["files"]}


def others_of(done):
    return {other["path"]: other["reason"] for result in done.results for other in result["others"]}


# What it says of a file


def test_it_tells_what_is_known_of_a_file(tmp_path):
    write_tree(tmp_path, {"src/a.py": "x = 1\n\ny = 2\nno end"})
    os.utime(tmp_path / "src/a.py", ns=(0, 1_700_000_000_123_000_000))
    file = files_of(run(tmp_path))["src/a.py"]
    assert file == {
        "path": "src/a.py",
        "size": 19,
        "mtime": "2023-11-14T22:13:20.123Z",
        "language": "Python",
        "lines": 3,
        "sha256": hashlib.sha256(b"x = 1\n\ny = 2\nno end").hexdigest(),
        "binary": False,
    }


def test_it_tells_binary_from_text(tmp_path):
    write_tree(
        tmp_path, {"a.bin": b"a\n\x00\n", "late.txt": b"x\n" * 5000 + b"\x00", "b.py": b"a\n\x00\n", "utf16.txt": "a\nb\n".encode("utf-16")}
    )
    files = files_of(run(tmp_path))
    assert {path: (file["binary"], file["lines"], file["language"]) for path, file in files.items()} == {
        "a.bin": (True, 0, None),
        "b.py": (True, 0, None),
        "late.txt": (False, 5000, "Text only"),
        "utf16.txt": (False, 2, "Text only"),
    }


def test_it_reads_files_in_more_than_one_piece(tmp_path):
    content = random.Random(1).randbytes(3_000_000).replace(b"\x00", b"\n")
    write_tree(tmp_path, {"big.txt": content})
    file = files_of(run(tmp_path, max_file_size=3_000_000))["big.txt"]
    assert (file["size"], file["lines"], file["sha256"]) == (3_000_000, content.count(b"\n"), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("name", "head", "language"),
    [
        ("a.go", "", "Go"),
        ("SETUP.PY", "", "Python"),
        ("Makefile", "", "Makefile"),
        ("script.pl", "", "Perl"),
        ("query.sql", "", "SQL"),
        ("go.mod", "", None),
        ("tool", "#!/usr/bin/env python3\n", "Python"),
        ("tool", "#!/bin/sh -e\n", "Bash"),
        ("tool", "#!/usr/bin/env -S NODE_ENV=x node --trace\n", "JavaScript"),
        ("tool", "#!\n", None),
        ("tool", "#!/opt/nothing-known\n", None),
        ("nothing", "", None),
    ],
)
def test_it_knows_the_language_by_name_or_first_line(tmp_path, name, head, language):
    write_tree(tmp_path, {name: head})
    assert files_of(run(tmp_path))[name]["language"] == language


def test_it_survives_modification_times_beyond_the_calendar(tmp_path):
    write_tree(tmp_path, {"a": ""})
    try:
        os.utime(tmp_path / "a", (2**40, 2**40))
    except OSError:
        pytest.skip("this file system has no such times")
    if os.stat(tmp_path / "a").st_mtime < 2**40:
        pytest.skip("this file system has no such times")
    assert files_of(run(tmp_path))["a"]["mtime"] is None


# What it finds, and in which order


def test_it_walks_in_the_order_of_names(tmp_path):
    write_tree(tmp_path, dict.fromkeys(["b", "a/z", "a/b/c", "a.txt", "a/a", "Z", "c/d"], ""))
    assert paths_of(run(tmp_path)) == ["Z", "a/a", "a/b/c", "a/z", "a.txt", "b", "c/d"]


def test_it_makes_batches_of_files_and_of_bytes(tmp_path):
    write_tree(tmp_path, {f"{number:03}": "" for number in range(120)})
    assert [len(unit.input["files"]) for unit in run(tmp_path).units] == [50, 50, 20]
    assert run(tmp_path).units[1].name == "files 51 to 100"
    write_tree(tmp_path, {f"{number:03}": b"x" * 1_000_000 for number in range(40)})
    assert [len(unit.input["files"]) for unit in run(tmp_path).units] == [17, 17, 50, 36]


def test_large_folders_come_in_larger_batches(tmp_path):
    write_tree(tmp_path, {f"{number:04}": "" for number in range(2000)})
    sizes = [len(unit.input["files"]) for unit in run(tmp_path).units]
    assert sum(sizes) == 2000 and sizes[:20] == [50] * 20 and sizes[-2] > 80 and max(sizes) <= 100


def test_a_file_too_large_to_be_read_weighs_nothing_in_a_batch(tmp_path):
    write_tree(tmp_path, {f"{number:03}": b"x" * 400_000 for number in range(50)})
    assert len(run(tmp_path, max_file_size=399_999).units) == 1
    assert len(run(tmp_path).units) == 2


def test_an_empty_folder_has_no_children_and_an_empty_summary(tmp_path):
    done = run(tmp_path)
    assert done.units == []
    assert (done.summary["files"], done.summary["bytes"], done.summary["lines"], done.summary["cut"]) == (0, 0, 0, False)
    assert done.summary["root"] == str(tmp_path)


@pytest.mark.parametrize("extensions", [[".py", "MD"], ["py", ".md"], ["*.py", "*.md", "py"]])
def test_it_takes_extensions_in_any_spelling(tmp_path, extensions):
    write_tree(tmp_path, dict.fromkeys(["a.py", "b.PY", "c.md", "d.txt", "py", "e.python", "sub/f.Md"], ""))
    assert paths_of(run(tmp_path, extensions=extensions)) == ["a.py", "b.PY", "c.md", "sub/f.Md"]


def test_an_extension_may_have_two_parts(tmp_path):
    write_tree(tmp_path, dict.fromkeys(["a.d.ts", "b.ts", "c.tar.gz", "d.gz"], ""))
    assert paths_of(run(tmp_path, extensions=["d.ts", ".tar.gz"])) == ["a.d.ts", "c.tar.gz"]


def test_it_leaves_out_names_paths_and_patterns(tmp_path):
    write_tree(
        tmp_path,
        dict.fromkeys(
            [
                "node_modules/a",
                "x/node_modules/b",
                "docs/old/c",
                "x/docs/old/d",
                "e.min.js",
                "x/f.min.js",
                "build",
                "x/build/g",
                "top/h",
                "x/top/i",
            ],
            "",
        ),
    )
    exclude = ["node_modules", "docs/old", "*.min.js", "build/", "./top"]
    assert paths_of(run(tmp_path, exclude_paths=exclude)) == ["build", "x/docs/old/d", "x/top/i"]


def test_a_cut_walk_says_so_once(tmp_path):
    write_tree(tmp_path, {f"{number:03}": "x\n" for number in range(200)})
    done = run(tmp_path, max_files=120)
    assert paths_of(done) == [f"{number:03}" for number in range(120)]
    assert done.log.warnings() == ["more than 120 files (max_files): the rest is left out"]
    assert (done.summary["files"], done.summary["lines"], done.summary["cut"]) == (120, 120, True)
    assert [result["sums"]["cut"] for result in done.results] == [False, False, True]


def test_a_walk_that_ends_at_the_limit_is_not_cut(tmp_path):
    write_tree(tmp_path, {f"{number:03}": "" for number in range(100)})
    done = run(tmp_path, max_files=100)
    assert (len(done.units), done.log.warnings(), done.summary["cut"]) == (2, [], False)


# Going on after an interruption


@pytest.fixture
def wide_tree(tmp_path):
    names = [f"{top}{sub}/{number}" for top in "ab" for sub in ("", "/c", "/c/d", ".e", "-f") for number in range(23)]
    return write_tree(tmp_path, {"z.txt": "", **dict.fromkeys(names, "")})


def plan(root, last_input=None, **options):
    context = FakeContext(local_dir, last_input=last_input, dir_path=str(root), **options)
    return list(local_dir.planner(context)), context


def test_it_goes_on_after_any_child_as_if_never_interrupted(wide_tree):
    units, _ = plan(wide_tree)
    assert len(units) == 5
    for number, unit in enumerate(units):
        assert plan(wide_tree, last_input=unit.input)[0] == units[number + 1 :]


def test_a_cut_plan_stays_cut_after_an_interruption(wide_tree):
    units, _ = plan(wide_tree, max_files=130)
    assert len(units) == 3
    for number, unit in enumerate(units):
        rest, context = plan(wide_tree, last_input=unit.input, max_files=130)
        assert rest == units[number + 1 :]
        assert len(context.warnings()) == (1 if rest else 0)


def test_it_goes_on_after_a_path_that_is_gone(wide_tree):
    units, _ = plan(wide_tree)
    last = units[1].input["files"][-1]
    (wide_tree / last).unlink()
    shutil.rmtree(wide_tree / "a")
    assert planned_paths(plan(wide_tree, last_input=units[1].input)[0]) == [
        path for path in planned_paths(units[2:]) if not path.startswith("a/")
    ]


# Ignoring


def git(root, *arguments):
    environ = {"PATH": os.environ["PATH"], "HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    return subprocess.run(["git", *arguments], cwd=root, env=environ, capture_output=True, check=True).stdout


def files_by_git(root):
    git(root, "init", "-q")
    listed = git(root, "ls-files", "-z", "--others", "--cached", "--exclude-standard")
    return sorted(path_to_text(name) for name in listed.split(b"\0") if name)


IGNORED_TREE = [
    "a.log", "keep.log", "sub/a.log", "sub/keep.log", "sub/deep/a.log", "sub/deep/b.txt", "build/out.txt", "sub/build/out.txt", "sub/build.txt",
    "foo/bar.txt", "foo/keep.txt", "foo/inner/bar.txt", "docs/a.html", "docs/x/y/b.html", "docs/c.md", "white list/a b", "#hash", "!bang", "tail ",
    "only/a.py", "only/b.txt", "only/sub/c.py", "only/sub/d.txt", "q1", "q22", "r-a", "r-z", "cased.TXT", "nested/x/y", "nested/x/z", "caf\u00e9",
    "sub/anchored", "anchored", "sub/sub/anchored", "star/a/b/c", "star/b/c", "trailing/dir/file",
]  # fmt: skip
IGNORE_FILES = {
    ".gitignore": (
        "# a comment\n\n*.log\n!keep.log\nbuild/\nfoo/**\n!foo/keep.txt\ndocs/**/*.html\n\\#hash\n\\!bang\ntail\\ \nq?\nr-[a-m]\n"
        "/anchored\nstar/**/c\ncaf*\r\nwhite list/\ntrailing/dir/  \n"
    ),
    "sub/.gitignore": "!a.log\n/anchored\n*.txt\n",
    "sub/deep/.gitignore": "!*.txt\n",
    "only/.gitignore": "*\n!*/\n!*.py\n!.gitignore\n",
    "nested/.gitignore": "x\n!x/y\n",
}


def test_it_ignores_what_git_ignores(tmp_path):
    write_tree(tmp_path, {**dict.fromkeys(IGNORED_TREE, ""), **IGNORE_FILES})
    found = sorted(paths_of(run(tmp_path)))
    assert found == files_by_git(tmp_path)
    assert {"keep.log", "sub/a.log", "foo/keep.txt", "only/sub/c.py", "sub/deep/b.txt"} <= set(found)
    assert not {"a.log", "sub/build/out.txt", "only/b.txt", "anchored", "sub/build.txt", "nested/x/y", "caf\u00e9"} & set(found)


LINES = [
    "*", "!*/", "a", "!a", "a/", "!a/", "/a", "!/a", "b*", "!b*", "*c", "a/b", "!a/b", "a/*", "!a/*", "a/**", "!a/**", "**/b", "!**/b", "a/**/c", "!a/**/c",
    "?", "[ab]", "![ab]", "[!a]", "b/", "!b/", "/*", "!/b", "/*/a", "c", "!c", "*/b", "**", "!**/", "/", "a//b", "", "#a", "[", "a[", "\\a", "!",
]  # fmt: skip


def grow(folder, chance, depth):
    """Fill a folder with files, folders and .gitignore files by chance."""
    if chance.random() < 0.5:
        (folder / ".gitignore").write_text("\n".join(chance.choices(LINES, k=chance.randint(1, 4))) + "\n")
    for name in ("a", "b", "c", "bc"):
        if depth and chance.random() < 0.5:
            (folder / name).mkdir()
            grow(folder / name, chance, depth - 1)
        elif chance.random() < 0.7:
            (folder / name).write_text("")


@pytest.mark.parametrize("seed", range(40))
def test_it_agrees_with_git_about_any_patterns(tmp_path, seed):
    grow(tmp_path, random.Random(seed), 4)
    assert sorted(paths_of(run(tmp_path))) == files_by_git(tmp_path)


def test_it_can_be_told_to_ignore_nothing(tmp_path):
    write_tree(tmp_path, {".gitignore": "*\n", "a": "", ".git/config": ""})
    assert paths_of(run(tmp_path)) == []
    assert paths_of(run(tmp_path, gitignore=False)) == [".git/config", ".gitignore", "a"]
    assert paths_of(run(tmp_path, gitignore=False, exclude_paths=[".git"])) == [".gitignore", "a"]


def test_it_leaves_out_what_git_keeps_for_itself(tmp_path):
    write_tree(tmp_path, {".git/config": "", "sub/.git": "gitdir: elsewhere", "a.git": "", "sub/b": ""})
    assert paths_of(run(tmp_path)) == ["a.git", "sub/b"]


def test_a_gitignore_that_is_no_plain_file_ignores_nothing(tmp_path):
    write_tree(tmp_path, {"a": "", "sub/b": "", "rules": "*\n"})
    (tmp_path / ".gitignore").symlink_to("rules")
    os.mkfifo(tmp_path / "sub/.gitignore")
    assert paths_of(run(tmp_path)) == ["a", "rules", "sub/b"]


# What it survives


@pytest.fixture
def odd_tree(tmp_path):
    outside = write_tree(tmp_path / "outside", {"secret.txt": "secret\n", "folder/more.txt": "more\n"})
    root = write_tree(
        tmp_path / "root",
        {"a.txt": "one\n", "sub/b.txt": "two\n", "two\nlines": "x\n", "tab\there": "", "back\\slash": "", "caf\u00e9": ""},
    )
    with open(os.path.join(os.fsencode(root), b"bad-\xff\xfe.txt"), "wb") as file:
        file.write(b"three\n")
    os.mkdir(os.path.join(os.fsencode(root), b"dir-\xe9"))
    with open(os.path.join(os.fsencode(root), b"dir-\xe9", b"in.txt"), "wb") as file:
        file.write(b"four\n")
    (root / "broken").symlink_to("nowhere")
    (root / "loop").symlink_to("loop")
    (root / "sub/up").symlink_to("..")
    (root / "out-file").symlink_to(outside / "secret.txt")
    (root / "out-folder").symlink_to(outside / "folder")
    (root / "in-file").symlink_to("a.txt")
    os.mkfifo(root / "pipe")
    return root


def test_it_survives_odd_names(odd_tree):
    files = files_of(run(odd_tree))
    assert sorted(files) == sorted(
        ["a.txt", "back\\\\slash", "bad-\\xff\\xfe.txt", "caf\u00e9", "dir-\\xe9/in.txt", "sub/b.txt", "tab\there", "two\nlines"]
    )
    assert files["bad-\\xff\\xfe.txt"]["lines"] == files["dir-\\xe9/in.txt"]["lines"] == 1
    for path in files:
        assert os.path.isfile(os.path.join(odd_tree, text_to_path(path)))


def test_it_lists_links_and_pipes_and_follows_none(odd_tree):
    done = run(odd_tree)
    assert others_of(done) == dict.fromkeys(["broken", "in-file", "loop", "out-file", "out-folder", "sub/up"], "symbolic link") | {
        "pipe": "named pipe"
    }
    targets = {other["path"]: other.get("target") for result in done.results for other in result["others"]}
    assert (targets["broken"], targets["sub/up"], targets["pipe"]) == ("nowhere", "..", None)
    assert "secret" not in json.dumps([result["files"] for result in done.results])
    assert done.log.warnings() == []
    assert done.summary["files"] == 8
    assert done.summary["skipped"] == 7
    assert done.summary["skipped_reasons"] == {"symbolic link": 6, "named pipe": 1}


def test_it_lists_sockets_and_devices_unopened():
    folder = tempfile.mkdtemp()  # tmp_path may be too long for the name of a socket
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(f"{folder}/s")
            assert others_of(run(folder)) == {"s": "socket"}
    finally:
        shutil.rmtree(folder)
    context = FakeContext(local_dir, dir_path="/dev")
    assert local_dir(context, {"root": "/dev", "files": ["null", "zero"]})["others"] == [
        {"path": "null", "reason": "device"},
        {"path": "zero", "reason": "device"},
    ]


def test_a_log_line_shows_a_name_on_one_line(tmp_path):
    write_tree(tmp_path, {"two\nlines\x1b[31m": "x" * 20})
    done = run(tmp_path, max_file_size=10)
    assert done.log.lines[0] == ("debug", "two\\nlines\\x1b[31m: larger than max_file_size (10 bytes)")


def test_it_lists_a_large_file_unread(tmp_path):
    write_tree(tmp_path, {"large.py": "x\n" * 50, "exact.py": "x\n" * 5})
    done = run(tmp_path, max_file_size=10)
    large = files_of(done)["large.py"]
    assert (large["size"], large["lines"], large["sha256"], large["binary"], large["language"]) == (100, None, None, None, "Python")
    assert large["skipped"] == "larger than max_file_size (10 bytes)"
    assert files_of(done)["exact.py"]["lines"] == 5
    assert (done.summary["files"], done.summary["bytes"], done.summary["lines"], done.summary["skipped"]) == (2, 110, 5, 1)
    assert done.summary["skipped_examples"] == [{"path": "large.py", "reason": "larger than max_file_size (10 bytes)"}]


def run_after(root, change, **options):
    """Plan, let `change` happen to the folder, then run; return (files, others, warnings)."""
    context = FakeContext(local_dir, dir_path=str(root), **options)
    units = list(local_dir.planner(context))
    change()
    result = local_dir(context, units[0].input)
    return (
        {file["path"]: file for file in result["files"]},
        {other["path"]: other["reason"] for other in result["others"]},
        context.warnings(),
    )


def test_it_survives_files_that_vanish_between_plan_and_run(tmp_path):
    write_tree(tmp_path, {"a": "1\n", "b": "2\n", "sub/c": "3\n"})

    def change():
        (tmp_path / "a").unlink()
        shutil.rmtree(tmp_path / "sub")

    files, others, warnings = run_after(tmp_path, change)
    assert list(files) == ["b"]
    assert others == {"a": "vanished", "sub/c": "vanished"}
    assert warnings == ["a: vanished", "sub/c: vanished"]


def test_it_follows_no_link_that_took_a_files_or_folders_place(tmp_path):
    outside = write_tree(tmp_path / "outside", {"c": "secret\n"})
    root = write_tree(tmp_path / "root", {"a": "1\n", "sub/c": "3\n", "pipe": "", "folder": ""})

    def change():
        (root / "a").unlink()
        (root / "a").symlink_to(outside / "c")
        shutil.rmtree(root / "sub")
        (root / "sub").symlink_to(outside)
        (root / "pipe").unlink()
        os.mkfifo(root / "pipe")
        (root / "folder").unlink()
        (root / "folder").mkdir()

    files, others, _ = run_after(root, change)
    assert files == {}
    assert others == {
        "a": "symbolic link",
        "sub/c": "vanished",
        "pipe": "named pipe",
        "folder": "folder that couldn't be read at first, or took a file's place",
    }


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs /proc")
def test_it_survives_a_file_that_fails_while_it_is_read():
    context = FakeContext(local_dir, dir_path="/proc/self")
    result = local_dir(context, {"root": "/proc/self", "files": ["mem", "stat"]})
    assert [file.get("error") for file in result["files"]] == ["Input/output error", None]
    assert context.warnings() == ["mem: Input/output error"]
    assert result["sums"]["skipped"] == 1
    assert result["files"][1]["size"] > 0  # /proc says 0: what was read counts


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")
def test_it_stops_reading_a_file_that_is_larger_than_it_said():
    context = FakeContext(local_dir, dir_path="/proc/self", max_file_size=10)
    (file,) = local_dir(context, {"root": "/proc/self", "files": ["status"]})["files"]
    assert file["skipped"] == "larger than max_file_size (10 bytes)"
    assert file["sha256"] is None


@pytest.fixture
def nobody():
    """Be somebody whom permissions stop; root gives up its rights for the test, in a folder that others may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    run(folder)
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    yield folder
    if is_root:
        os.seteuid(0)
    for path in folder.rglob("*"):
        path.chmod(0o755)
    shutil.rmtree(folder)


def test_it_survives_files_and_folders_that_it_may_not_read(nobody):
    write_tree(nobody, {"a": "1\n", "closed": "2\n", "shut/b": "3\n", "blind/c": "4\n", "dim/.gitignore": "*\n", "dim/d": "5\n", "z": ""})
    for name, mode in {"closed": 0, "shut": 0, "blind": 0o444, "dim/.gitignore": 0}.items():
        (nobody / name).chmod(mode)
    done = run(nobody)
    files = files_of(done)
    assert {path: file.get("error") for path, file in files.items()} == {
        "a": None,
        "closed": "Permission denied",
        "dim/.gitignore": "Permission denied",
        "dim/d": None,
        "z": None,
    }
    assert files["closed"]["size"] == 2
    assert others_of(done) == {"shut": "folder that can't be read: Permission denied", "blind/c": "Permission denied"}
    assert sorted(done.log.warnings()) == [
        "blind/c: Permission denied",
        "closed: Permission denied",
        "dim/.gitignore: Permission denied",
        "dim/.gitignore: not read, so nothing is ignored by it: Permission denied",
        "shut: folder that can't be read: Permission denied",
    ]


def test_it_goes_on_after_a_folder_that_it_may_not_read(nobody):
    write_tree(nobody, {**{f"{number:02}": "" for number in range(49)}, "closed/x": "", "z": ""})
    (nobody / "closed").chmod(0)
    units, _ = plan(nobody)
    assert units[0].input["files"][-1] == "closed"
    assert planned_paths(plan(nobody, last_input=units[0].input)[0]) == ["z"]


def test_it_walks_a_tree_deeper_than_a_path_may_be_long(tmp_path):
    descriptor, depth = os.open(tmp_path, os.O_RDONLY), 1200
    for _ in range(depth):
        os.mkdir("deep", dir_fd=descriptor)
        inner = os.open("deep", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=descriptor))
    os.close(descriptor)
    try:
        done = run(tmp_path)
        assert paths_of(done) == ["deep/" * depth + "file"]
        assert len(json.dumps(done.summary)) < 5_000
    finally:
        subprocess.run(["rm", "-rf", str(tmp_path / "deep")], check=True)


def test_it_leaves_no_file_open(odd_tree):
    before = os.listdir("/proc/self/fd")
    run(odd_tree)
    next(local_dir.planner(FakeContext(local_dir, dir_path=str(odd_tree))))
    assert os.listdir("/proc/self/fd") == before


# The folder itself


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nowhere", "no such folder"),
        ("file", "not a folder"),
        ("file/x", "not a folder"),
        ("x" * 300, "File name too long"),
        ("a\0b", "not the name of a folder"),
    ],
)
def test_a_folder_that_is_none_fails_in_one_line(tmp_path, path, reason):
    write_tree(tmp_path, {"file": ""})
    with pytest.raises(StepFailed) as error:
        run(f"{tmp_path}/{path}")
    assert error.value.message.endswith(f": {reason}")
    assert "\n" not in error.value.message
    assert str(tmp_path) in error.value.message


def test_a_folder_that_went_away_fails_its_children_in_one_line(tmp_path):
    root = write_tree(tmp_path / "root", {"a": ""})
    with pytest.raises(StepFailed, match="root: no such folder"):
        run_after(root, lambda: shutil.rmtree(root))


def test_the_folder_may_be_a_link_or_relative(tmp_path, monkeypatch):
    write_tree(tmp_path / "real", {"a": "1\n"})
    (tmp_path / "link").symlink_to("real")
    assert paths_of(run(tmp_path / "link")) == ["a"]
    monkeypatch.chdir(tmp_path)
    done = run("real")
    assert done.units[0].input["root"] == done.summary["root"] == str(tmp_path / "real")


# Stopping, options, the summary


def test_it_can_be_stopped_while_it_walks_and_while_it_reads(wide_tree):
    with pytest.raises(Stopped):
        list(local_dir.planner(FakeContext(local_dir, dir_path=str(wide_tree), stop_after=3)))
    units, _ = plan(wide_tree)
    with pytest.raises(Stopped):
        local_dir(FakeContext(local_dir, dir_path=str(wide_tree), stop_after=3), units[0].input)


def test_it_can_be_stopped_within_one_large_folder(tmp_path):
    write_tree(tmp_path, {f"{number:04}": "" for number in range(1000)})
    with pytest.raises(Stopped):
        list(local_dir.planner(FakeContext(local_dir, dir_path=str(tmp_path), stop_after=3)))


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({}, "dir_path"),
        ({"dir_path": ""}, "dir_path"),
        ({"dir_path": ".", "max_files": 0}, "max_files"),
        ({"dir_path": ".", "max_file_size": -1}, "max_file_size"),
        ({"dir_path": ".", "max_file_size": 1.5}, "max_file_size"),
        ({"dir_path": ".", "extensions": ["."]}, "extensions"),
        ({"dir_path": ".", "extensions": [""]}, "extensions"),
        ({"dir_path": ".", "exclude_paths": [""]}, "exclude_paths"),
        ({"dir_path": ".", "exclude_paths": ["!"]}, "exclude_paths"),
        ({"dir_path": ".", "exclude_paths": "x"}, "exclude_paths"),
        ({"dir_path": ".", "typo": 1}, "typo"),
    ],
)
def test_it_refuses_bad_options(options, key):
    with pytest.raises(ValidationError) as error:
        local_dir.options().load(options)
    assert list(error.value.messages) == [key]


def test_the_options_of_the_contract_work(tmp_path):
    write_tree(tmp_path, dict.fromkeys(["a.py", "b.md", "c.txt", ".git/x.py", "node_modules/y.py"], "1\n"))
    options = {"extensions": [".py", ".md"], "exclude_paths": [".git", "node_modules"], "gitignore": True}
    assert paths_of(run(tmp_path, **options, max_file_size=1048576, max_files=10000)) == ["a.py", "b.md"]


def test_it_logs_a_line_for_each_batch(tmp_path):
    write_tree(tmp_path, {"a": "1\n2\n", "b": "x" * 20})
    assert run(tmp_path, max_file_size=10).log.lines[-1] == ("info", "imported 2 files, 2 lines; 1 not read")
    (tmp_path / "b").unlink()
    assert run(tmp_path).log.lines == [("info", "imported 1 file, 2 lines")]


def test_the_summary_adds_up_by_language_and_folder(tmp_path):
    write_tree(tmp_path, {"a.py": "1\n2\n", "src/b.py": "3\n", "src/in/c.md": "4\n", "x.bin": b"\0\0", "what": "5\n"})
    summary = run(tmp_path).summary
    assert summary["languages"] == {
        "Python": {"files": 2, "bytes": 6, "lines": 3},
        "Markdown": {"files": 1, "bytes": 2, "lines": 1},
        "(unknown)": {"files": 1, "bytes": 2, "lines": 1},
        "(binary)": {"files": 1, "bytes": 2, "lines": 0},
    }
    assert summary["directories"] == {".": {"files": 3, "bytes": 8, "lines": 3}, "src": {"files": 2, "bytes": 4, "lines": 2}}
    assert summary["binary"] == 1
    assert summary["largest"][0] == {"path": "a.py", "bytes": 4, "lines": 2, "language": "Python"}
    assert [row["path"] for row in summary["largest"]] == ["a.py", "src/b.py", "src/in/c.md", "what", "x.bin"]


def test_the_summary_stays_small_and_whole_however_many_folders_there_are(tmp_path):
    write_tree(tmp_path, {f"{'folder' * 40}{number:03}/{'file' * 60}": "1\n" for number in range(300)})
    summary = run(tmp_path).summary
    assert len(json.dumps(summary)) < 50_000
    assert (len(summary["largest"]), len(summary["directories"])) == (20, 51)
    assert sum(row["files"] for row in summary["directories"].values()) == summary["files"] == 300
    assert sum(row["lines"] for row in summary["directories"].values()) == 300


def shell(command):
    return subprocess.run(
        ["sh", "-c", command], cwd=STDLIB, capture_output=True, check=True, text=True, env={"PATH": os.environ["PATH"], "LC_ALL": "C"}
    ).stdout


@pytest.mark.slow
def test_a_large_tree_counts_as_find_and_wc_count_it():
    done = run(STDLIB, exclude_paths=["site-packages"], gitignore=False, max_files=1_000_000, max_file_size=1 << 30)
    find = "find . -name site-packages -prune -o -type f"
    files, size = map(int, shell(f"{find} -printf '%s\\n' | awk '{{ sum += $1 }} END {{ print NR, sum }}'").split())
    assert files > 1500
    assert (done.summary["files"], done.summary["bytes"]) == (files, size)
    python = shell(f"{find} -name '*.py' -print0 | xargs -0 cat | wc -l -c").split()
    row = done.summary["languages"]["Python"]
    assert done.summary["languages"]["(binary)"]["files"] == done.summary["binary"] > 0
    by_extension = [file for file in files_of(done).values() if file["path"].endswith(".py") and not file["binary"]]
    binary_lines = sum(
        Path(STDLIB, file["path"]).read_bytes().count(b"\n")
        for file in files_of(done).values()
        if file["path"].endswith(".py") and file["binary"]
    )
    assert sum(file["lines"] for file in by_extension) + binary_lines == int(python[0])
    assert row["files"] >= len(by_extension)
    for file in random.Random(1).sample(sorted(files_of(done)), 50):
        assert files_of(done)[file]["sha256"] == hashlib.sha256(Path(STDLIB, file).read_bytes()).hexdigest()
