"""Step type `codebase_report`: what an engineer wants to know of a tree, put together from its
import, its map and its classification.

It depends on a `local_dir`, a `code_map` and an `agent` step over the same folder; what one of them
doesn't know of a file, the report leaves out. Lines of code are the map's; they count as a
program's only in languages that programs are written in (see `kind_of_language`).
"""

from collections import Counter

from jobsync.base.errors import StepFailed
from jobsync.registry import step
from jobsync.steps.codebase.duplicates import Duplicates
from jobsync.steps.codebase.folder import parts_of
from jobsync.steps.codebase.language import kind_of_language
from jobsync.steps.codebase.sentences import (
    Largest,
    Sums,
    counted,
    cut_sentence,
    first_of,
    folder_of,
    readable,
    share,
    shorten,
)
from jobsync.steps.codebase.unknown import Unknown

MAX_FOLDERS = 50
MAX_TREE = 150
MAX_LARGEST = 20
MAX_DEEPEST = 10
NAMED_LANGUAGES = 3  # in the sentence
NAMED_FOLDERS = 5
SIZES = ("files", "bytes", "lines")
TYPES = ("local_dir", "code_map", "agent")


@step("codebase_report")
def codebase_report(context, unit):
    """Return the report; see `sum_up`."""
    steps = {context.step_type(name): name for name in reversed(context.depends)}
    missing = [name for name in TYPES if name not in steps]
    if missing:
        raise StepFailed(
            f"a codebase_report puts together steps of the types {', '.join(TYPES)}: depends "
            f"names none of type {', '.join(missing)}"
        )
    imported, mapped, classified = (context.step_result(steps[name]) or {} for name in TYPES)
    survey, codes = Survey(), Codes(files_of(context, steps["code_map"]))
    for file in files_of(context, steps["agent"]):
        survey.add(file, codes.of(file["path"]))
    duplicates = Duplicates(files_of(context, steps["local_dir"]))
    for file in files_of(context, steps["local_dir"]):
        duplicates.add(file)
    report = survey.table(classified, mapped, imported, duplicates) | {
        "files_listed_by": steps["agent"]
    }
    context.log(report["summary"])
    return report


@codebase_report.summarize
def sum_up(context, results):
    """Return the report of the one child.

    {"summary": a sentence, "files", "bytes", "lines", "code": lines of code of programs,
    "test_code": those of tests, "tests_to_code": lines of tests to a line of source or None,
    "where_the_code_is", "changed", "duplicated", "unclassified", "not_by_hand", "left_out": a few
    words each or None, "categories", "languages": {name: {"files", "bytes", "lines", "code"}},
    "directories": {path: {"files", "code", "test_code"}} of source and tests with all below, the
    most first, "treemap": [{"path", "parent", "code", "test_code"}] of the tree (".") and these,
    each below its parent, "changes": see `Before.compare`, "largest": [{"path", "bytes", "lines",
    "code", "category", "rule"}], "deepest": [{"path", "depth"}], "unknown": {"files", "examples":
    [paths], "rules": [{"files", "for", "rule": TOML}]}, "duplicates": see `Duplicates.report`,
    "generated", "minified", "long_lines", "encodings": see `code_map`, "subcategories",
    "importance", "rules": see `agent`, "files_listed_by": the step whose children list all files,
    each with the rule that decided; pages link to that list}.
    """
    return next(results)


def files_of(context, name):
    """Yield the files in the results of the completed children of a step, in the order of the
    walk.
    """
    for child in context.children(name):
        context.check()
        yield from context.result(child)["files"]


class Codes:
    """The lines of code of a map's files, asked for in the order of the walk: both lists are
    gone through side by side, and neither is held.
    """

    def __init__(self, files):
        self._files = files
        self._at, self._file = (), None

    def of(self, path):
        """Return the lines of code of a file, 0 if the map doesn't know it.

        The next path must be behind it.
        """
        parts = parts_of(path)
        while self._at is not None and self._at < parts:
            self._file = next(self._files, None)
            self._at = self._file and parts_of(self._file["path"])
        return self._file["code"] if self._at == parts else 0


class Survey:
    """The sums of the report, grown file by file."""

    def __init__(self):
        self.categories, self.languages = Sums(*SIZES, "code"), Sums(*SIZES, "code")
        self.folders = Sums("files", "code", "test_code")
        self.source = Counter()  # lines of source by language
        self.totals = Counter()
        self.largest = Largest(MAX_LARGEST, by="lines")
        self.deepest = Largest(MAX_DEEPEST, by="depth")
        self.unknown = Unknown()

    def add(self, file, code):
        """Add a file as the classification has it, with its lines of code."""
        path, category = file["path"], file["category"]
        sizes = (1, file["size"], file["lines"], code)
        self.categories.add(category, *sizes)
        self.languages.add(language_label(file), *sizes)
        self.largest.offer(
            {
                "path": shorten(path),
                "bytes": file["size"],
                "lines": file["lines"],
                "code": code,
                "category": category,
                "rule": file["rule"],
            }
        )
        self.deepest.offer({"path": shorten(path), "depth": path.count("/")})
        if category == "unknown":
            self.unknown.add(file)
        if category in ("source", "test") and kind_of_language(file["language"]) == "code":
            self._add_code(folder_of(path), file["language"], category, code)

    def _add_code(self, folder, language, category, code):
        is_test = category == "test"
        self.totals[category] += code
        if not is_test:
            self.source[language] += code
        while True:
            self.folders.add(folder, 1, 0 if is_test else code, code if is_test else 0)
            if folder == ".":
                return
            folder = folder_of(folder)

    def table(self, classified, mapped, imported, duplicates):
        """Return the report, given the results of the other steps."""
        categories, languages = (
            sums.report(MAX_FOLDERS) for sums in (self.categories, self.languages)
        )
        source, tests = self.totals["source"], self.totals["test"]
        marks = {
            name: mapped.get(name) for name in ("generated", "minified", "long_lines", "encodings")
        }
        unknown, changes = self.unknown.report(), imported.get("changes")
        totals = self.categories.total()
        return {
            "summary": cut_sentence(cut_in(classified)) + self._sentence(totals, categories),
            **{name: totals[name] for name in SIZES},
            "code": source,
            "test_code": tests,
            "tests_to_code": round(tests / source, 2) if source else None,
            "where_the_code_is": self._where(source + tests),
            "changed": words_of_changes(changes),
            "duplicated": duplicates.words(),
            "unclassified": self.unknown.words(),
            "not_by_hand": words_of_marks(marks),
            "left_out": words_of_limits(classified),
            "categories": categories,
            "languages": languages,
            "directories": self._directories(),
            "unknown": unknown,
            "changes": changes,
            "duplicates": duplicates.report(),
            "largest": self.largest.rows(),
            "deepest": self.deepest.rows(),
            "treemap": self._treemap(),
            **marks,
            **{name: classified.get(name) for name in ("subcategories", "importance", "rules")},
        }

    def _sentence(self, totals, categories):
        """Return what this tree is."""
        if not totals["files"]:
            return "There is nothing in this folder."
        size = f"{counted(totals['files'], 'file')} in {readable(totals['bytes'])}"
        docs, vendored = (
            categories.get(name, {"files": 0})["files"] for name in ("docs", "vendored")
        )
        docs = counted(docs, "document")
        source, tests = self.totals["source"], self.totals["test"]
        if not source + tests and vendored:
            return (
                f"No program of its own: {size}, "
                f"of which {counted(vendored, 'vendored file')} and {docs}."
            )
        if not source + tests:
            return f"No program: {size}, of which {docs}."
        tested = f"{counted(tests, 'line') if tests else 'none'} of tests"
        if not source:
            return f"Tests alone: {tested}, {docs}; {size}."
        ratio = f" ({tests / source:.2f} to each line of code)" if tests else ""
        return (
            f"{self._kind(source)}: {counted(source, 'line')} of code, "
            f"{tested}{ratio}, {docs}; {size}."
        )

    def _kind(self, source):
        """Return "A Python project (Python 82 %, C 11 %)"."""
        named = self.source.most_common(NAMED_LANGUAGES)
        shares = ", ".join(f"{name} {share(lines, source)}" for name, lines in named)
        return f"{article(named[0][0])} project" + (f" ({shares})" if len(named) > 1 else "")

    def _where(self, code):
        """Return "src 62 %, tests 30 %": the top folders with the most code."""
        rows = [
            (path, row[1] + row[2])
            for path, row in self.folders.rows.items()
            if path != "." and "/" not in path
        ]
        largest = sorted(rows, key=lambda row: (-row[1], row[0]))[:NAMED_FOLDERS]
        return (
            ", ".join(f"{shorten(path)} {share(lines, code)}" for path, lines in largest if lines)
            or None
        )

    def _directories(self):
        rows = self._most(MAX_FOLDERS + 1)
        return {
            shorten(path): dict(zip(self.folders.fields, row, strict=True))
            for path, row in rows
            if path != "."
        }

    def _most(self, limit):
        """Return (path, row) of the folders with the most code in and below them."""
        return sorted(
            self.folders.rows.items(), key=lambda item: (-item[1][1] - item[1][2], item[0])
        )[:limit]

    def _treemap(self):
        """Return the same folders as rows that each have a parent among them: one with less
        code than a folder below it can't be.
        """
        rows = self._most(MAX_TREE)
        return [
            {
                "path": path,
                "parent": None if path == "." else folder_of(path),
                "code": code,
                "test_code": tests,
            }
            for path, (_, code, tests) in rows
        ]


def language_label(file):
    """Return the name under which the report counts a file."""
    return "(binary)" if file["binary"] else file["language"] or "(unknown)"


def article(language):
    """Return "A Python" or "An Awk"."""
    return f"{'An' if language[:1] in 'AEIO' else 'A'} {language}"


def words_of_changes(changes):
    """Return "3 added, 1 removed, 2 modified since 2026-11-22 13:00 UTC", None where nothing is
    known.
    """
    if not changes:
        return None
    said = ", ".join(
        f"{changes[name]:,} {name}" for name in ("added", "removed", "modified") if changes[name]
    )
    return f"{said or 'nothing'} since {changes['since']['at'][:16].replace('T', ' ')} UTC"


def words_of_marks(marks):
    """Return "3 files are generated, 1 is minified", None where there are none."""
    said = [
        f"{marks[name]['files']:,} {name}"
        for name in ("generated", "minified")
        if marks[name] and marks[name]["files"]
    ]
    return ", ".join(said) or None


def cut_in(result):
    """Return where the walk was cut, {"listed", "found"}, by what a result says of it (see
    `report_cut`); None if it wasn't.
    """
    return {name: result[name] for name in ("listed", "found")} if result.get("cut") else None


def words_of_limits(classified):
    """Return "3 not read, all but the first 10,000 of 25,412 files", None where everything was
    read.
    """
    skipped = classified.get("skipped")
    said = [f"{skipped:,} not read"] if skipped else []
    cut = cut_in(classified)
    if cut:
        said.append(f"all but {first_of(**cut)}")
    return ", ".join(said) or None
