"""Step type `agent`: does what its `agent_type` says. There is one: `rule_classifier`.

The rule classifier gives each file that a `local_dir` step imported a category, a subcategory, an
importance, and the name of the rule that decided. The rules are those of `rules.toml` here or of
the file that the option `rules` names; see the head of `rules.toml`.
"""

from collections import Counter

from marshmallow import Schema, fields, validate

from jobsync.base.errors import StepFailed
from jobsync.registry import Unit, step
from jobsync.steps.codebase.rules import BadRules, load_rules
from jobsync.steps.codebase.sentences import (
    Largest,
    Sums,
    counted,
    cut_sentence,
    readable,
    report_cut,
    share,
    shorten,
    top_folder,
)

MAX_NAMES = 60
MAX_FOLDERS = 50
MAX_LARGEST = 20
MAX_EXAMPLES = 20
MAX_EXTENSIONS = 20
MAX_RULES = 30
UNKNOWN = {"category": "unknown", "subcategory": "", "importance": "low", "name": None}


class AgentOptions(Schema):
    """agent_type: "rule_classifier". rules: a TOML file instead of the rules that ship;
    relative to the folder jobsync was started in.
    """

    agent_type = fields.String(required=True, validate=validate.OneOf(["rule_classifier"]))
    rules = fields.String(load_default=None, allow_none=True, validate=validate.Length(min=1))


def check_rules(options, params):
    """Return the mistakes in the file of rules."""
    try:
        load_rules(options["rules"])
    except BadRules as error:
        return error.mistakes
    return []


@step("agent", options=AgentOptions, batch=True, check=check_rules)
def agent(context, unit):
    """Classify one batch of an import: the files in the result of its child `unit["child"]`.

    Returns {"files": [{"path", "size", "lines", "language", "category", "subcategory",
    "importance", "rule"}], "skipped": number of things that the import didn't read, "cut": where it
    was cut, see `cut_of`}. A language of None is unknown, or the file is binary ("binary": true).
    """
    imported = context.result(unit["child"])
    rules, files = load_rules_or_fail(context), []
    for file in imported["files"]:
        context.check()
        files.append(classify(rules, file))
    context.log(
        "classified "
        f"{counted(len(files), 'file')}{listing(Counter(file['category'] for file in files))}"
    )
    return {"files": files, "skipped": imported["sums"]["skipped"], "cut": imported["sums"]["cut"]}


@agent.plan
def plan_classification(context):
    """Yield a Unit for each completed child of the import that the step depends on.

    Input: {"step", "child": id}.
    """
    load_rules_or_fail(context)
    source = next(
        (name for name in context.depends if context.step_type(name) == "local_dir"), None
    )
    if source is None:
        raise StepFailed(
            "the rule classifier needs a local_dir step to classify the files of: name one in "
            "depends"
        )
    for number, child in enumerate(context.children(source), 1):
        yield Unit(f"batch {number:,} of {source}", {"step": source, "child": child})


def load_rules_or_fail(context):
    """Return the Rules.

    Raises StepFailed with all mistakes, which are also in the log, a line each.
    """
    try:
        return load_rules(context.options["rules"])
    except BadRules as error:
        for mistake in error.mistakes:
            context.log(mistake, level="error")
        raise StepFailed(error.message) from error


def classify(rules, file):
    """Return what a result says of a file of an import."""
    rule = rules.match(file) or UNKNOWN
    return {
        "path": file["path"],
        "size": file["size"],
        "lines": file["lines"] or 0,
        "language": file["language"],
        "binary": bool(file["binary"]),
        "category": rule["category"],
        "subcategory": rule["subcategory"],
        "importance": rule["importance"],
        "rule": rule["name"],
    }


def listing(counts):
    """Return ": 30 source, 12 test", the most frequent first."""
    return (
        ": " + ", ".join(f"{number:,} {name}" for name, number in counts.most_common())
        if counts
        else ""
    )


@agent.summarize
def sum_up(context, results):
    """Return the report on the whole folder.

    {"summary": a sentence, "files", "bytes", "lines", "categories": {name: {"files", "bytes",
    "lines"}}, and the same three by "languages", "directories" (top folder; "." for files in none),
    "subcategories" ("test/unit") and "importance"; "largest": [{"path", "bytes", "lines",
    "category", "rule"}], "unknown": {"files", "examples": [paths], "extensions": {extension:
    files}}, "rules": {name: files}, "skipped", and "cut" as `report_cut` has it}. `lines` are
    newlines in text files that were read, as `wc -l` counts them; `files` and `bytes` are those of
    all the files that the import lists.
    """
    report = Report()
    for result in results:
        context.check()
        report.add(result)
    return report.table()


class Report:
    """The sums of the report, grown result by result."""

    def __init__(self):
        by = ("categories", "languages", "directories", "subcategories", "importance")
        self.sums = {name: Sums("files", "bytes", "lines") for name in by}
        self.largest = Largest(MAX_LARGEST, by="bytes")
        self.rules, self.extensions, self.examples = Counter(), Counter(), []
        self.skipped, self.cut = 0, None

    def add(self, result):
        """Add the result of one child."""
        self.skipped += result["skipped"]
        self.cut = self.cut or result["cut"]
        for file in result["files"]:
            self._add_file(file)

    def _add_file(self, file):
        names = {
            "categories": file["category"],
            "languages": language_label(file),
            "directories": top_folder(file["path"]),
            "subcategories": "/".join(filter(None, (file["category"], file["subcategory"]))),
            "importance": file["importance"],
        }
        for name, value in names.items():
            self.sums[name].add(value, 1, file["size"], file["lines"])
        row = {"path": shorten(file["path"]), "bytes": file["size"], "lines": file["lines"]}
        self.largest.offer(row | {"category": file["category"], "rule": file["rule"]})
        if file["rule"]:
            self.rules[file["rule"]] += 1
        if file["category"] == "unknown":
            self._add_unknown(file["path"])

    def _add_unknown(self, path):
        name = path.rpartition("/")[2]
        self.extensions[
            shorten(name.rpartition(".")[2].lower()) if "." in name[1:] else "(none)"
        ] += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(shorten(path))

    def table(self):
        """Return the report as JSON."""
        tables = {
            name: sums.report(MAX_FOLDERS if name == "directories" else MAX_NAMES)
            for name, sums in self.sums.items()
        }
        totals = self.sums["categories"].total()
        return {
            "summary": cut_sentence(self.cut) + sentence(totals, tables["categories"]),
            **totals,
            **tables,
            "largest": self.largest.rows(),
            "unknown": {
                "files": self.extensions.total(),
                "examples": self.examples,
                "extensions": dict(self.extensions.most_common(MAX_EXTENSIONS)),
            },
            "rules": dict(self.rules.most_common(MAX_RULES)),
            "skipped": self.skipped,
            **report_cut(self.cut),
        }


def language_label(file):
    """Return the name under which the report counts a file."""
    return "(binary)" if file["binary"] else file["language"] or "(unknown)"


def sentence(totals, categories):
    """Return the report in a sentence."""
    if not totals["files"]:
        return "There is nothing to classify."
    first = sorted(categories.items(), key=lambda item: (-item[1]["files"], item[0]))
    shares = [f"{share(row['files'], totals['files'])} {name}" for name, row in first]
    return (
        f"{counted(totals['files'], 'file')} with {counted(totals['lines'], 'line')} in "
        f"{readable(totals['bytes'])}: {', '.join(shares)}."
    )
