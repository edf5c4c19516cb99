"""code_map: that each line is of the right kind, that the numbers add up, and that nothing odd
in a folder stops it.
"""

import ast
import io
import json
import os
import sys
import sysconfig
import tokenize
from pathlib import Path

import pytest
from marshmallow import ValidationError
from pygments.lexers import get_all_lexers

from helpers.folder_steps import FolderContext, planned_paths, run_step, write_tree
from jobsync.base.errors import StepFailed, Stopped
from jobsync.steps.codebase import count, encoding
from jobsync.steps.codebase.code_map import code_map
from jobsync.steps.codebase.folder import Folder
from jobsync.steps.codebase.language import kind_of_language, table
from jobsync.steps.isolated import GaveUp

STDLIB = sysconfig.get_paths()["stdlib"]


def run(root, **options):
    return run_step(code_map, dir_path=str(root), **options)


def counts_of(tmp_path, name, content):
    """Return (language, code, comment, blank) of one file."""
    summary = run(write_tree(tmp_path, {name: content})).summary
    ((language, row),) = summary["languages"].items()
    return language, row["code"], row["comment"], row["blank"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "a.py",
            (
                "\n# one\nx = 1  # two\n\n'''text'''\ndef f():\n    '''doc\n\n    string'''\n"
                "    return x\n\n"
            ),
            ("Python", 3, 4, 4),
        ),
        (
            "a.py",
            "#!/usr/bin/env python3\n'''doc'''\nx = '''\nnot doc\n\n'''\n",
            ("Python", 4, 1, 1),
        ),
        (
            "a.c",
            "#include <a.h>\n#define A 1\n/* a\n\n   b */\nint f()\n{\n  return 1; // c\n}\n",
            ("C", 6, 2, 1),
        ),
        ("a.js", "f({\n  a: 1,\n});\n// b\n\n", ("JavaScript", 3, 1, 1)),
        ("a.html", "<p>\n<!-- a\n\nb -->\n<script>\n// c\nvar a;\n</script>\n", ("HTML", 4, 3, 1)),
        ("a.rs", "/// doc\n//! doc\nfn a() {}\n", ("Rust", 1, 2, 0)),
        ("a.go", "// a\npackage a\n/*\nb\n*/\n", ("Go", 1, 4, 0)),
        ("a.sh", "#!/bin/sh\n# a\necho '# b'\n", ("Bash", 2, 1, 0)),
        ("a.toml", "# a\n[b]\nc = 1\n", ("TOML", 2, 1, 0)),
        (
            "a.pl",
            "#!/usr/bin/perl\n# a\nf();\n=head1 B\n\nc\n\n=cut\ng();\n__END__\nd\n",
            ("Perl", 3, 6, 2),
        ),
        ("a.json", '{\n  "a": 1\n}\n\n', ("JSON", 3, 0, 1)),
        ("a.md", "# Title\n\nText.\n", ("Markdown", 2, 0, 1)),
        ("a.md", "a <!-- b\n\nc --> d\n<!-- e -->\n<!-- no end\n", ("Markdown", 2, 2, 1)),
        (
            "a.rst",
            "Title\n=====\n\n.. note::\n\n   a\n.. b\n\nText\n..",
            ("reStructuredText", 3, 4, 3),
        ),
        ("a.txt", "# Text\n\n", ("Text only", 1, 0, 1)),
        ("a.csv", "a,b\n1,2", ("CSV", 2, 0, 0)),
        ("LICENSE", "Text\n \n", ("(unknown)", 1, 0, 1)),
        ("tool", "#!/usr/bin/env python3\nx = 1\n", ("Python", 2, 0, 0)),
        ("tool", "#!/usr/bin/env python3", ("Python", 1, 0, 0)),
        ("a.gyp", "# a\n{}\n", ("Python", 1, 1, 0)),
        ("Dockerfile.test", "# a\nFROM b\n", ("Docker", 1, 1, 0)),
        ("a.py", "", ("Python", 0, 0, 0)),
        ("a.py", "\n\n \n", ("Python", 0, 0, 3)),
        ("a.py", "x = 1\r\n\r\n# y\r\n", ("Python", 1, 1, 1)),
        ("a.py", "x = 1\nno end", ("Python", 2, 0, 0)),
        ("a.py", "x = 1\n# no end", ("Python", 1, 1, 0)),
        ("a.py", "x = 1\n  ", ("Python", 1, 0, 1)),
        ("a.bin", "a\n\0\n", ("(binary)", 0, 0, 0)),
    ],
)
def test_it_tells_code_comment_and_blank_lines(tmp_path, name, content, expected):
    assert counts_of(tmp_path, name, content) == expected


@pytest.mark.parametrize(
    ("encoding", "line"),
    [
        ("utf-8", "x = 'ä'"),
        ("utf-8-sig", "x = 'ä'"),
        ("latin-1", "x = 'ä'"),
        ("utf-16", "x = 'ä'"),
        ("utf-16-le", "x = 'ä'"),
        ("utf-16-be", "x = 'ä'"),
        ("utf-32", "x = 'ä'"),
        ("shift_jis", "x = 'あ'"),
    ],
)
def test_it_reads_other_encodings_than_utf8(tmp_path, encoding, line):
    assert counts_of(
        tmp_path,
        "a.py",
        f"# ä\n\n{line}\n".replace("ä", "ä" if encoding != "shift_jis" else "い").encode(encoding),
    ) == (
        "Python",
        1,
        1,
        1,
    )


def test_it_survives_bytes_that_are_no_text_at_all(tmp_path):
    assert counts_of(tmp_path, "a.py", b"x = 1 # \xff\xfe\x81\n\xc3\x28\n") == ("Python", 2, 0, 0)
    assert counts_of(tmp_path, "a.py", b"\xff\xfea") == ("Python", 1, 0, 0)


def test_a_lone_carriage_return_ends_no_line(tmp_path):
    assert counts_of(tmp_path, "a.py", "x = 1\ry = 2\n# a\rb\n")[1:] == (1, 1, 0)


def test_a_lexer_is_spared_the_middle_of_long_lines(tmp_path, monkeypatch):
    lexed = []
    monkeypatch.setattr(
        count, "call", lambda function, text, *arguments, **options: lexed.append(text) or 2
    )
    done = run(write_tree(tmp_path, {"a.pl": "# a\n" + "f();" * 100_000 + "\n\n"}))
    assert 2000 < len(lexed[0]) < 2100
    assert (done.summary["code"], done.summary["comment"], done.summary["blank"]) == (2, 0, 1)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "a.js",
            "/*! a\n * b */\n" + "f('');" * 2000 + "\n//# sourceMappingURL=" + "A1b/" * 5000 + "\n",
            (1, 3, 0),
        ),
        ("a.py", "x = '" + "a" * 10_000 + "'\n# b\n\n", (1, 1, 1)),
        ("Makefile", "# a\n" + "a b $(c) " * 100_000 + "\n", (1, 1, 0)),
        ("a.c", "x" + " " * 100_000 + "y\n// a\n", (1, 1, 0)),
    ],
)
def test_files_with_long_lines_are_counted_like_others_and_in_no_more_time(
    tmp_path, name, content, expected
):
    assert counts_of(tmp_path, name, content)[1:] == expected


def test_it_tells_generated_and_minified_files_and_long_lines_apart_and_counts_them_all(tmp_path):
    generated = "// Code generated by a tool. DO NOT EDIT.\nvar a = 1;\n"
    write_tree(
        tmp_path,
        {
            "a/generated.js": generated,
            "a/both.min.js": generated,
            "b/long.py": f"x = '{'x' * 6000}'\n",
            "b/minified.js": "f();" * 2000 + "\n",
            "b/by_hand.js": "f();\n",
            **{f"many/{number}.py": "" for number in range(60)},
        },
    )
    done = run(tmp_path)
    assert len(done.units) == 2
    summary = done.summary
    assert summary["generated"] == {"files": 2, "lines": 4, "code": 2}
    assert summary["minified"] == {"files": 2, "lines": 3, "code": 2}
    assert summary["long_lines"] == {"files": 2, "lines": 2, "code": 2}
    assert (summary["lines"], summary["code"], summary["files"]) == (7, 5, 65)
    marks = {row["path"]: row["marks"] for row in summary["largest"] if row["lines"]}
    assert marks == {
        "a/both.min.js": "generated, minified",
        "a/generated.js": "generated",
        "b/by_hand.js": "",
        "b/long.py": "long_lines",
        "b/minified.js": "minified, long_lines",
    }


def test_the_kinds_of_language_are_known_by_the_names_that_files_get():
    names = {name for name, _, globs, _ in get_all_lexers(plugins=False) if globs}
    assert {name for names in table()["kinds"].values() for name in names} <= names | set(
        table()["like"]
    ) | set(table()["names"])
    assert [
        kind_of_language(name)
        for name in ("Python", "HTML", "Markdown", "JSON", "(unknown)", "(binary)", None)
    ] == [*("code", "code", "prose", "data", "other", "other", "other")]


def test_it_tells_the_encodings_of_what_it_read(tmp_path):
    write_tree(
        tmp_path,
        {
            **{
                "a.py": "x = 1\n",
                "b.py": "x = 'ä'\n",
                "empty.py": "",
                "c.bin": b"\0",
                "large.txt": b"x" * 100,
            },
            **{"d.txt": "ä".encode("utf-8-sig"), "e.txt": "text".encode("utf-16")},
            "f.c": "// 関数はパラメータを確認します。\n".encode("shift_jis"),
        },
    )
    done = run(tmp_path, max_file_size=99)
    assert (
        done.summary["encodings"]
        == done.results[0]["sums"]["encodings"]
        == {"utf-8": 2, "cp932": 1, "utf-16": 1, "utf-8-sig": 1}
    )


def test_a_lexer_that_fails_costs_a_warning_and_the_comments(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise GaveUp("failed (RecursionError)")

    monkeypatch.setattr(count, "call", fail)
    done = run(write_tree(tmp_path, {"a.pl": "# a\n\nx = 1\n", "b.py": "# a\nx = 1\n"}))
    assert (done.summary["code"], done.summary["comment"], done.summary["blank"]) == (3, 1, 1)
    assert done.log.warnings() == [
        "a.pl: the lexer for Perl failed (RecursionError), so comments are counted as code"
    ]


@pytest.mark.slow
def test_a_lexer_that_takes_for_ever_costs_its_file_a_warning_and_nothing_else(tmp_path):
    done = run(
        write_tree(
            tmp_path, {"a.pl": "# a\nf();\n", "b.j": "/*\n" * 200_000, "c.pl": "# a\nf();\n"}
        )
    )
    files = [file for result in done.results for file in result["files"]]
    assert [(file["path"], file["code"], file["comment"]) for file in files] == [
        ("a.pl", 1, 1),
        ("b.j", 200_000, 0),
        ("c.pl", 1, 1),
    ]
    assert done.log.warnings() == [
        "b.j: the lexer for Objective-J took more than 2 s, so comments are counted as code"
    ]


def test_a_guess_at_an_encoding_that_fails_costs_a_warning(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise GaveUp("ended its process (SIGSEGV)")

    monkeypatch.setattr(encoding, "call", fail)
    done = run(write_tree(tmp_path, {"a.py": "x = 'ä'\n# b\n".encode("latin-1")}))
    assert (done.summary["code"], done.summary["comment"], done.summary["encodings"]) == (
        1,
        1,
        {"windows-1252": 1},
    )
    assert done.log.warnings() == [
        "a.py: the guess at the encoding ended its process (SIGSEGV), so it is read as windows-1252"
    ]


@pytest.mark.parametrize(
    "name",
    ["a.js", "a.css", "a.cs", "a.java", "a.go", "a.ts", "a.kt", "a.swift", "a.rs", "a.scala"],
)
def test_comments_that_begin_again_and_again_take_no_time(tmp_path, name):
    done = run(write_tree(tmp_path, {name: "/*\n" * 300_000}))
    assert (done.summary["code"], done.summary["comment"], done.log.warnings()) == (0, 300_000, [])


def test_a_language_that_no_one_knows_the_comments_of_has_none(tmp_path, monkeypatch):
    monkeypatch.setattr(
        sys.modules["jobsync.steps.codebase.code_map"], "language_of", lambda *_: "Newspeak II"
    )
    done = run(write_tree(tmp_path, {"a.x": "# a\n\nb\n"}))
    assert (
        done.summary["code"],
        done.summary["comment"],
        done.summary["blank"],
        done.log.warnings(),
    ) == (2, 0, 1, [])


def test_it_maps_languages_folders_and_files(tmp_path):
    write_tree(
        tmp_path,
        {
            "a.py": "x = 1\n# y\n",
            "src/b.py": "x = 1\n\n",
            "src/c.js": "f()\n",
            "src/in/deep/d.md": "text\n",
            "src/in/x.bin": b"\0\0\0",
            "e.py": "1\n2\n3\n",
        },
    )
    summary = run(tmp_path).summary
    assert summary["languages"] == {
        "Python": {"files": 3, "bytes": 23, "lines": 7, "code": 5, "comment": 1, "blank": 1},
        "Markdown": {"files": 1, "bytes": 5, "lines": 1, "code": 1, "comment": 0, "blank": 0},
        "JavaScript": {"files": 1, "bytes": 4, "lines": 1, "code": 1, "comment": 0, "blank": 0},
        "(binary)": {"files": 1, "bytes": 3, "lines": 0, "code": 0, "comment": 0, "blank": 0},
    }
    assert list(summary["directories"]) == [".", "src", "src/in/deep", "src/in"]
    assert summary["directories"]["src"] == {
        **{"files": 2, "bytes": 11, "lines": 3, "code": 2, "comment": 0, "blank": 1},
        "languages": {
            "Python": {"files": 1, "bytes": 7, "lines": 2, "code": 1, "comment": 0, "blank": 1},
            "JavaScript": {"files": 1, "bytes": 4, "lines": 1, "code": 1, "comment": 0, "blank": 0},
        },
    }
    sums = {"files": 6, "bytes": 35, "lines": 9, "code": 7, "comment": 1, "blank": 1}
    assert {name: summary[name] for name in sums} == sums
    assert (summary["depth"], summary["deepest"], summary["directory_count"], summary["cut"]) == (
        3,
        "src/in/deep/d.md",
        4,
        False,
    )
    assert summary["largest"][0] == {
        "path": "e.py",
        "language": "Python",
        "bytes": 6,
        "lines": 3,
        "code": 3,
        "marks": "",
    }
    assert {kind: (row["files"], row["code"]) for kind, row in summary["kinds"].items()} == {
        "code": (4, 6),
        "prose": (1, 1),
        "other": (1, 0),
    }
    assert summary["encodings"] == {"utf-8": 5}


def test_the_numbers_add_up_over_many_children(tmp_path):
    write_tree(
        tmp_path,
        {f"{number % 7}/{number}.py": "x = 1\n# y\n\n" * (number % 5) for number in range(230)},
    )
    done = run(tmp_path)
    assert len(done.units) == 5
    summary = done.summary
    lines = 3 * sum(number % 5 for number in range(230))
    assert summary["code"] == summary["comment"] == summary["blank"] == lines // 3
    for kind in ("languages", "directories"):
        assert sum(row["lines"] for row in summary[kind].values()) == summary["lines"] == lines
        assert sum(row["files"] for row in summary[kind].values()) == summary["files"] == 230


def test_the_map_stays_small_and_whole_however_many_folders_there_are(tmp_path):
    write_tree(
        tmp_path,
        {f"{number:03}/{'in/' * (number % 40)}{'file' * 50}.py": "1\n" for number in range(300)},
    )
    summary = run(tmp_path).summary
    assert len(json.dumps(summary)) < 60_000
    assert len(summary["directories"]) == 51
    assert sum(row["files"] for row in summary["directories"].values()) == 300
    assert summary["depth"] == 40
    assert summary["deepest"].startswith("039/in/in/")


def test_large_files_are_listed_and_not_read(tmp_path):
    done = run(write_tree(tmp_path, {"a.py": "x = 1\n" * 10, "b.py": "x = 1\n"}), max_file_size=20)
    assert done.summary["languages"]["Python"] == {
        "files": 2,
        "bytes": 66,
        "lines": 1,
        "code": 1,
        "comment": 0,
        "blank": 0,
    }
    assert done.summary["skipped_examples"] == [
        {"path": "a.py", "reason": "larger than max_file_size (20 bytes)"}
    ]


def test_it_follows_no_link_opens_no_pipe_and_survives_odd_names(tmp_path):
    outside = write_tree(tmp_path / "outside", {"secret.py": "secret = 1\n"})
    root = write_tree(tmp_path / "root", {"a.py": "x = 1\n", "two\nlines.py": "y = 1\n"})
    with open(os.path.join(os.fsencode(root), b"bad-\xff.py"), "wb") as file:
        file.write(b"z = 1\n")
    (root / "out").symlink_to(outside)
    (root / "file.py").symlink_to(outside / "secret.py")
    (root / "broken").symlink_to("nowhere")
    os.mkfifo(root / "pipe.py")
    done = run(root)
    assert (done.summary["files"], done.summary["code"]) == (3, 3)
    assert done.summary["skipped_reasons"] == {"symbolic link": 3, "named pipe": 1}
    assert done.log.warnings() == []


def test_it_survives_files_that_vanish_between_plan_and_run(tmp_path):
    write_tree(tmp_path, {"a.py": "1\n", "b.py": "2\n"})
    context = FolderContext(code_map, dir_path=str(tmp_path))
    (unit,) = code_map.planner(context)
    (tmp_path / "a.py").unlink()
    result = code_map(context, unit.input)
    assert result["sums"]["unread"] == [{"path": "a.py", "reason": "vanished"}]
    assert [row["files"] for row in result["sums"]["rows"]] == [1]
    assert context.warnings() == ["a.py: vanished"]


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs /proc")
def test_it_survives_a_file_that_fails_while_it_is_read():
    context = FolderContext(code_map, dir_path="/proc/self")
    result = code_map(context, {"root": "/proc/self", "files": ["mem"]})
    assert result["sums"]["unread"] == [{"path": "mem", "reason": "Input/output error"}]
    assert context.warnings() == ["mem: Input/output error"]


def test_it_takes_the_options_of_the_walk(tmp_path):
    write_tree(
        tmp_path,
        {
            **dict.fromkeys(["a.py", "b.md", "c.py", "out/d.py", "gone/e.py"], "1\n"),
            ".gitignore": "gone\n",
        },
    )
    done = run(tmp_path, extensions=["py"], exclude_paths=["out"], max_files=1)
    assert planned_paths(done.units) == ["a.py"]
    assert done.summary["cut"] is True
    assert planned_paths(run(tmp_path, gitignore=False).units) == [
        ".gitignore",
        "a.py",
        "b.md",
        "c.py",
        "gone/e.py",
        "out/d.py",
    ]


def test_it_goes_on_after_any_child_as_if_never_interrupted(tmp_path):
    write_tree(tmp_path, {f"{number % 3}/{number:03}": "1\n" for number in range(170)})
    units = list(code_map.planner(FolderContext(code_map, dir_path=str(tmp_path))))
    for number, unit in enumerate(units):
        assert (
            list(
                code_map.planner(
                    FolderContext(code_map, last_input=unit.input, dir_path=str(tmp_path))
                )
            )
            == units[number + 1 :]
        )


def test_its_children_are_kept_short(tmp_path):
    write_tree(tmp_path, {f"{number:02}.py": "x = 1\n" * 50_000 for number in range(4)})
    units = code_map.planner(FolderContext(code_map, dir_path=str(tmp_path)))
    assert [len(unit.input["files"]) for unit in units] == [2, 2]


def test_a_folder_that_is_none_fails_in_one_line(tmp_path):
    with pytest.raises(StepFailed, match="nowhere: no such folder$"):
        run(tmp_path / "nowhere")


@pytest.mark.parametrize("files", [{"a.py": "x = 'a'\n" * 20_000}, {"a.j": "/*\n" * 200_000}])
def test_it_can_be_stopped_within_a_file(tmp_path, files):
    write_tree(tmp_path, files)
    units = list(code_map.planner(FolderContext(code_map, dir_path=str(tmp_path))))
    with pytest.raises(Stopped):
        code_map(FolderContext(code_map, dir_path=str(tmp_path), stop_after=5), units[0].input)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dir_path": ".", "max_file_size": 0},
        {"dir_path": ".", "max_file_size": 1 << 30},
        {"dir_path": ".", "typo": 1},
    ],
)
def test_it_refuses_bad_options(options):
    with pytest.raises(ValidationError):
        code_map.options().load(options)


@pytest.mark.slow
@pytest.mark.slow
def test_it_counts_a_real_folder_as_other_means_do():
    done = run(STDLIB, extensions=["py"], exclude_paths=["/*/"])
    texts = [path.read_bytes() for path in Path(STDLIB).glob("*.py")]
    summary = done.summary
    assert summary["files"] == len(texts) > 100
    assert summary["lines"] == sum(len(io.BytesIO(text).readlines()) for text in texts)
    assert summary["blank"] == sum(not line.strip() for text in texts for line in io.BytesIO(text))
    assert summary["code"] + summary["comment"] + summary["blank"] == summary["lines"]
    by_python = sum(code_lines(text) for text in texts)
    assert abs(summary["code"] - by_python) < by_python / 100


def code_lines(text):
    """Return how many lines Python's own tokenizer finds something on that is neither comment
    nor docstring, and a `#!` line.
    """
    docstrings, lines, code = set(), text.split(b"\n"), set()
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            docstrings.add(node.lineno)
    for token in tokenize.tokenize(io.BytesIO(text).readline):
        is_docstring = token.type == tokenize.STRING and token.start[0] in docstrings
        if token.type not in LAYOUT and not is_docstring:
            code.update(range(token.start[0], token.end[0] + 1))
    if text.startswith(b"#!"):
        code.add(1)
    return sum(1 for number in code if lines[number - 1].strip())


LAYOUT = {
    getattr(tokenize, name)
    for name in ("ENCODING", "COMMENT", "NL", "NEWLINE", "INDENT", "DEDENT", "ENDMARKER")
}


# The second time


def test_an_unchanged_folder_is_not_read_again_and_has_the_same_map(tmp_path, monkeypatch):
    write_tree(
        tmp_path,
        {
            "a/a.py": "x = 1\n# c\n",
            "b.min.js": "x" * 2000,
            "c.bin": b"\x00",
            "d.txt": "é\n".encode("latin-1"),
            "e.py": "y = 1\n" * 9,
        },
    )
    first = run(tmp_path)
    opened = []
    open_one = Folder.open
    monkeypatch.setattr(
        Folder, "open", lambda self, parts: opened.append("/".join(parts)) or open_one(self, parts)
    )
    second = run_step(code_map, dir_path=str(tmp_path), before=first)
    assert opened == [] and second.summary == first.summary
    assert "5 as they were" in second.log.lines[-1][1]
    (tmp_path / "e.py").write_text("# all new\n")
    third = run_step(code_map, dir_path=str(tmp_path), before=first)
    assert opened == ["e.py"]
    assert third.summary == run(tmp_path).summary != first.summary


def test_what_another_version_counted_is_counted_again(tmp_path, monkeypatch):
    write_tree(tmp_path, {"a.py": "x = 1\n"})
    first = run(tmp_path)
    for result in first.results:
        result["reader"] = "0"
        result["files"][0]["code"] = 7
    assert run_step(code_map, dir_path=str(tmp_path), before=first).summary["code"] == 1
