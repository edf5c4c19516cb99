"""code_map counts what Debian's `cloc` counts, on five real trees; where it doesn't, a table
here and docs/counting.md say why.
"""

import json
import shutil
import subprocess

import pytest

from helpers import trees
from helpers.folder_steps import run_step
from helpers.paths import ROOT
from jobsync.steps.codebase.code_map import code_map
from unit.steps.codebase.test_code_map import code_lines

FIELDS = ("files", "code", "comment", "blank")
BOUNDS = {"files": 0.01, "code": 0.03, "comment": 0.05, "blank": 0.05}
# Some languages have a dozen lines in a tree: there a line or two are no disagreement. For files
# there is no such allowance.
FEW_LINES = 2

# What code_map calls the languages that cloc calls otherwise, or tells apart. cloc doesn't say
# whose the headers are.
C_FAMILY = "C and C++"
NAMES = {
    "Bourne Shell": "Bash",
    "C": C_FAMILY,
    "C++": C_FAMILY,
    "C/C++ Header": C_FAMILY,
    "DOS Batch": "Batchfile",
    "Dockerfile": "Docker",
    "SVG": "XML",
    "Text": "Text only",
    "make": "Makefile",
}

# Files that cloc never counts, by pattern: left out of both counts, together with empty files,
# which cloc doesn't count either.
UNKNOWN_TO_CLOC = [
    "*.cfg",
    "*.tmpl",
    "*.pem",
    "*.1",
    ".coveragerc",
    ".flake8",
    ".npmrc",
    ".gitignore",
    ".gitattributes",
]

# Counts that differ by design: (tree, language, field): (how many lines code_map has more than
# cloc, why).
STRINGS = (
    "cloc takes each triple-quoted string for a comment; "
    "to code_map a string is data, unless it is a docstring"
)
INI = "cloc takes only ; for a comment in an .ini file, not #"
TEMPLATE = (
    "cloc takes */* in a template string of vendor/llhttp/bench/index.ts for the beginning of a "
    "comment"
)
DIFFERENCES = {
    ("scrapy", "Python", "comment"): (-1439, STRINGS),
    ("scrapy", "INI", "comment"): (9, INI),
    ("scrapy", "INI", "code"): (-9, INI),
    ("aiohttp", "Python", "comment"): (-241, STRINGS),
    ("aiohttp", "TypeScript", "comment"): (-18, TEMPLATE),
}

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("cloc"), reason="needs cloc")]


@pytest.fixture(scope="module", params=trees.TREES)
def tree(request):
    return trees.TREES[request.param]


@pytest.fixture(scope="module")
def ours(tree):
    """What code_map counts in a tree: {language: {field: number}}, without what is in no
    language.
    """
    folder = trees.fetch(tree)
    empty = [
        f"/{path.relative_to(folder)}"
        for path in folder.rglob("*")
        if path.is_file() and not path.stat().st_size
    ]
    options = {"gitignore": False, "max_files": 100_000, "max_file_size": 64 << 20}
    summary = run_step(
        code_map, dir_path=str(folder), exclude_paths=UNKNOWN_TO_CLOC + empty, **options
    ).summary
    assert summary["skipped"] == 0
    counts = {}
    for name, row in summary["languages"].items():
        if not name.startswith("("):
            add_up(counts, NAMES.get(name, name), [row[field] for field in FIELDS])
    return counts


def add_up(counts, name, amounts):
    """Add amounts, in the order of FIELDS, to {name: {field: number}}."""
    sums = counts.setdefault(name, dict.fromkeys(FIELDS, 0))
    for field, amount in zip(FIELDS, amounts, strict=True):
        sums[field] += amount


@pytest.fixture(scope="module")
def by_cloc(tree):
    """What cloc counts in a tree, in our names: {language: {field: number}}."""
    command = ["cloc", "--json", "--skip-uniqueness", "--timeout=0", "."]
    done = subprocess.run(
        command, cwd=trees.fetch(tree), capture_output=True, text=True, check=True, timeout=120
    )
    counts = {}
    for name, row in json.loads(done.stdout).items():
        if name in ("header", "SUM"):
            continue
        add_up(
            counts,
            NAMES.get(name, name),
            (row["nFiles"], row["code"], row["comment"], row["blank"]),
        )
    return counts


def test_it_finds_the_languages_that_cloc_finds(ours, by_cloc):
    assert ours.keys() == by_cloc.keys()


@pytest.mark.parametrize("field", FIELDS)
def test_it_counts_per_language_what_cloc_counts(tree, ours, by_cloc, field):
    apart = {}
    for language, row in by_cloc.items():
        by_design, _ = DIFFERENCES.get((tree.name, language, field), (0, ""))
        allowed = max(BOUNDS[field] * row[field], FEW_LINES if field != "files" else 0)
        if abs(ours[language][field] - by_design - row[field]) > allowed:
            apart[language] = (ours[language][field], row[field])
    assert apart == {}


def test_each_difference_by_design_is_there_and_in_the_notes(tree, ours, by_cloc):
    notes = (ROOT / "docs" / "counting.md").read_text()
    for (name, language, field), (lines, _) in DIFFERENCES.items():
        if name == tree.name:
            assert abs(lines) > BOUNDS[field] * by_cloc[language][field], "needs no exception"
            assert language in notes


def test_in_python_it_counts_what_pythons_own_tokenizer_finds(tree, ours):
    """The greatest difference by design: strings that are no docstrings are code, as Python
    itself has it.
    """
    texts = [
        path.read_bytes()
        for path in trees.fetch(tree).rglob("*.*")
        if path.suffix in (".py", ".pyi", ".gyp", ".gypi")
    ]
    by_python = sum(code_lines(text) for text in texts)
    assert abs(ours.get("Python", {"code": 0})["code"] - by_python) <= by_python / 100 + FEW_LINES
