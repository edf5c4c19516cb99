"""The rules of the rule classifier: a TOML file, checked, and made quick to match.

A file of rules is a list of `[[rule]]` tables. The first rule whose conditions all hold decides.
The head of `rules.toml` explains the keys.
"""

import os
import re
import tomllib
from functools import lru_cache
from pathlib import Path

from marshmallow import Schema, ValidationError, fields, pre_load, validate, validates_schema

from jobsync.base.errors import JobsyncError
from jobsync.base.regular_files import Unfit, read_regular
from jobsync.definitions.fields import TrueOrFalse
from jobsync.steps.codebase.folder import shown
from jobsync.steps.codebase.language import KINDS, kind_of_language, language_names
from jobsync.steps.codebase.walk import EXTENSION, EXTENSION_REASON
from jobsync.steps.wildmatch import BadPattern, translate

DEFAULT_RULES = str(Path(__file__).with_name("rules.toml"))
MAX_RULES_FILE = 1 << 20
CATEGORIES = (
    "source",
    "test",
    "docs",
    "config",
    "build",
    "data",
    "asset",
    "generated",
    "vendored",
    "unknown",
)
IMPORTANCE = ("high", "medium", "low")
LISTS = ("path", "not_path", "extension", "language", "kind")
LIMITS = ("min_size", "max_size", "min_lines", "max_lines")
KINDER = {
    "Unknown field.": "is not known",
    "Missing data for required field.": "is required",
    "Invalid input type.": "must be a table",
}
WILD = re.compile(r"[*?\[]")
FACTS = ("binary", "generated")
CONDITIONS = (*(key for key in LISTS if key != "not_path"), *FACTS, *LIMITS)


class BadRules(JobsyncError):
    """The rules can't be used.

    `mistakes` are lines for people, each with the file, the rule, the key and the reason.
    """

    def __init__(self, mistakes):
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


# The shape of the file


def check_glob(glob):
    """Refuse what is no glob, or no glob for a rule."""
    if glob.startswith("!"):
        raise ValidationError(
            "a rule's glob can't begin with !: put a rule for the exception above it"
        )
    if glob.startswith("#") or not glob.strip("/ "):
        raise ValidationError(f"{glob!r} is not a glob")
    try:
        translate(glob)
    except BadPattern as error:
        raise ValidationError(f"{glob!r} is not a glob") from error


def check_language(name):
    """Refuse the name of a language that no file would ever have."""
    if name not in language_names():
        raise ValidationError(f"{name!r} is not a language that Pygments or languages.toml knows")


def texts(check):
    """Return a field for a text or a list of texts."""
    return fields.List(fields.String(validate=check), validate=validate.Length(min=1))


def limit():
    return fields.Integer(strict=True, validate=validate.Range(min=0))


class RuleSchema(Schema):
    """One [[rule]]."""

    name = fields.String(required=True, validate=validate.Length(min=1, max=80))
    category = fields.String(required=True, validate=validate.OneOf(CATEGORIES))
    subcategory = fields.String(load_default="", validate=validate.Length(max=80))
    importance = fields.String(load_default="medium", validate=validate.OneOf(IMPORTANCE))
    path = texts(check_glob)
    extension = texts(validate.Regexp(EXTENSION, error=EXTENSION_REASON))
    not_path = texts(check_glob)
    language = texts(check_language)
    kind = texts(validate.OneOf(KINDS))
    binary = TrueOrFalse()
    generated = TrueOrFalse()
    min_size = limit()
    max_size = limit()
    min_lines = limit()
    max_lines = limit()

    @pre_load
    def wrap(self, rule, **_):
        """Let `path = "x"` stand for `path = ["x"]`."""
        if not isinstance(rule, dict):
            return rule
        return rule | {key: [rule[key]] for key in LISTS if isinstance(rule.get(key), str)}

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def has_condition(self, _, original, **__):
        if isinstance(original, dict) and not any(key in original for key in CONDITIONS):
            raise ValidationError(f"has no condition: give at least one of {', '.join(CONDITIONS)}")


class RulesSchema(Schema):
    """A file of rules."""

    rule = fields.List(fields.Nested(RuleSchema), required=True, validate=validate.Length(min=1))


# Reading it


def load_rules(path=None):
    """Return the Rules of a file, by default those that ship.

    Raises BadRules. Compiled once per process and version of the file.
    """
    path = os.path.abspath(path or DEFAULT_RULES)
    try:
        info = os.stat(path)
    except (OSError, ValueError) as error:
        raise BadRules([f"{shown(path)}: {reason_of_file(error)}"]) from error
    return compiled(path, info.st_mtime_ns, info.st_size)


@lru_cache(maxsize=8)
def compiled(path, mtime_ns, size):
    return Rules(read_rules(path))


def read_rules(path):
    """Return the rules of a file as dicts, in order. Raises BadRules with all mistakes."""
    name = shown(os.path.basename(path))
    try:
        table = tomllib.loads(read_regular(path, MAX_RULES_FILE).decode())
    except Unfit as error:
        raise BadRules([f"{shown(path)}: must be a file of at most 1 MiB"]) from error
    except OSError as error:
        raise BadRules([f"{shown(path)}: {reason_of_file(error)}"]) from error
    # TOMLDecodeError and UnicodeDecodeError are ValueErrors
    except (ValueError, RecursionError) as error:
        raise BadRules([f"{name}: must be TOML: {error}"]) from error
    mistakes = [f"{name}: {mistake}" for mistake in mistakes_in(table)]
    if mistakes:
        raise BadRules(mistakes)
    return RulesSchema().load(table)["rule"]


def reason_of_file(error):
    return (
        "no such file"
        if isinstance(error, FileNotFoundError)
        else getattr(error, "strerror", None) or "not the name of a file"
    )


def mistakes_in(table):
    """Yield all mistakes of a file of rules: "rule 3 (python-tests): category: Must be one of:
    …".
    """
    rules = table.get("rule") if isinstance(table.get("rule"), list) else []
    for path, reason in flatten(RulesSchema().validate(table)):
        if path[0] == "rule" and len(path) > 1:
            path = (label(rules, path[1]), *(key for key in path[2:] if isinstance(key, str)))
        yield ": ".join([*map(str, path), KINDER.get(reason, reason)])
    yield from twins(rules)


def flatten(messages, path=()):
    """Yield (keys, reason) for each reason in marshmallow's nested messages."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from flatten(inner, path if key == "_schema" else (*path, key))
    else:
        for reason in messages:
            yield path, reason


def label(rules, index):
    """Return "rule 3 (its name)" for the rule at an index; people count from 1."""
    rule = rules[index] if index < len(rules) else None
    name = rule.get("name") if isinstance(rule, dict) else None
    return f"rule {index + 1} ({name})" if isinstance(name, str) and name else f"rule {index + 1}"


def twins(rules):
    """Yield a mistake for each rule that has the name of an earlier one."""
    seen = set()
    for index, rule in enumerate(rules):
        name = rule.get("name") if isinstance(rule, dict) else None
        if isinstance(name, str) and name in seen:
            yield f"{label(rules, index)}: name: an earlier rule has this name"
        elif isinstance(name, str):
            seen.add(name)


# Matching


class Rules:
    """Rules, ready to be matched.

    A set of rules is an integer whose bit n stands for rule n. Each condition of a file (its name,
    its folder, its extension, its language) gives the set of rules that allow it; what is common to
    these sets is all that can match, and its lowest bit is the first rule. So most of the work is
    done once per folder, extension and language, and not once per file and rule.
    """

    def __init__(self, rules):
        self.rules = rules
        self._extensions, self._any_extension = index(
            rules, "extension", lambda text: text.lstrip("*.").lower()
        )
        self._languages, self._any_language = index(rules, "language", str)
        self._kinds, self._any_kind = index(rules, "kind", str)
        self._any_path = sum(1 << bit for bit, rule in enumerate(rules) if "path" not in rule)
        self._exact_names, self._names, self._folders, self._below, self._paths = {}, [], [], [], []
        self._not_below, self._not_paths = [], []
        for bit, rule in enumerate(rules):
            self._add_globs(1 << bit, rule.get("path", ()))
            self._add_not_globs(1 << bit, rule.get("not_path", ()))
        self._by_folder = lru_cache(maxsize=4096)(self._match_folder)

    def _add_globs(self, bit, globs):
        """Sort a rule's globs: for a file's name, for one of its folders' names, for its whole
        path.
        """
        names = [glob for glob in globs if "/" not in glob and WILD.search(glob)]
        folders = [glob[:-1] for glob in globs if glob.find("/") == len(glob) - 1]
        for name in globs:
            if "/" not in name and not WILD.search(name):
                self._exact_names[name] = self._exact_names.get(name, 0) | bit
        if names:
            self._names.append((bit, expression(names)))
        if folders:
            self._folders.append((bit, expression(folders)))
        for glob in globs:
            if "/" in glob[:-1]:
                below = folder_of_glob(glob)
                (self._paths if below is None else self._below).append(
                    (bit, *path_condition(glob if below is None else below))
                )

    def _add_not_globs(self, bit, globs):
        """Sort what a rule's files must not fit."""
        for glob in map(anywhere, globs):
            below = folder_of_glob(glob)
            (self._not_paths if below is None else self._not_below).append(
                (bit, *path_condition(glob if below is None else below))
            )

    def match(self, file):
        """Return the first rule that fits a file of an import, as a dict; None if none does."""
        folder, _, name = file["path"].rpartition("/")
        allowed, refused = self._by_folder(folder)
        bits = (
            self._any_path
            | allowed
            | self._match_name(name)
            | match_paths(self._paths, file["path"])
        )
        bits &= ~(refused | match_paths(self._not_paths, file["path"]))
        bits &= self._match_extension(name)
        bits &= self._languages.get(file["language"], 0) | self._any_language
        bits &= self._kinds.get(kind_of_language(file["language"]), 0) | self._any_kind
        while bits:
            lowest = bits & -bits
            rule = self.rules[lowest.bit_length() - 1]
            if fits(rule, file):
                return rule
            bits ^= lowest
        return None

    def _match_name(self, name):
        bits = self._exact_names.get(name, 0) | self._exact_names.get(name.lower(), 0)
        for bit, regex in self._names:
            if regex.match(name):
                bits |= bit
        return bits

    def _match_folder(self, folder):
        """Return (the rules that the folder is enough for, those that it rules out)."""
        names = folder.split("/") if folder else []
        bits = sum(bit for bit, regex in self._folders if any(regex.match(name) for name in names))
        return bits | match_paths(self._below, folder), match_paths(self._not_below, folder)

    def _match_extension(self, name):
        bits = self._any_extension
        pieces = name.lower().split(".")
        for at in range(1, len(pieces)):
            bits |= self._extensions.get(".".join(pieces[at:]), 0)
        return bits


def index(rules, key, normalize):
    """Return ({value: the rules that have it under `key`}, the rules that haven't got the key)."""
    found, without = {}, 0
    for bit, rule in enumerate(rules):
        if key not in rule:
            without |= 1 << bit
        for value in rule.get(key, ()):
            found[normalize(value)] = found.get(normalize(value), 0) | 1 << bit
    return found, without


def is_any_case(glob):
    """Return whether a glob is for upper and lower case alike: it is unless it has an
    upper-case letter itself.
    """
    return glob == glob.lower()


def expression(globs):
    """Return one expression for globs of a single name."""
    return re.compile(
        "|".join(
            f"(?i:{translate(glob)}\\Z)" if is_any_case(glob) else f"{translate(glob)}\\Z"
            for glob in globs
        )
    )


def path_condition(glob):
    """Return (the expression for a glob of a whole path, which also fits what is below a folder
    of that path; whether it is for any case).
    """
    return re.compile(f"{translate(glob.strip('/'))}(?s:/.*)?\\Z"), is_any_case(glob)


def match_paths(conditions, path):
    """Return the rules that a path fits, of [(rule, expression, whether it is for any case)]."""
    lower, bits = path.lower(), 0
    for bit, regex, any_case in conditions:
        if not bits & bit and regex.match(lower if any_case else path):
            bits |= bit
    return bits


def folder_of_glob(glob):
    """Return a glob for the folder that a file must be below to fit `docs/` or `docs/**`; None
    of others.
    """
    return next(
        (glob.removesuffix(end) or None for end in ("/**", "/") if glob.endswith(end)), None
    )


def anywhere(glob):
    """Return a glob of a whole path for one of a file's name, or of the name of a folder above
    it.
    """
    return glob if "/" in glob[:-1] else f"**/{glob}"


def fits(rule, file):
    """Return whether the conditions hold that depend on a file's content.

    One that wasn't read fits none on what only reading tells.
    """
    lines = file["lines"]
    return (
        all(rule[fact] == file[fact] for fact in FACTS if fact in rule)
        and rule.get("min_size", 0) <= file["size"] <= rule.get("max_size", file["size"])
        and ("min_lines" not in rule or lines is not None and lines >= rule["min_lines"])
        and ("max_lines" not in rule or lines is not None and lines <= rule["max_lines"])
    )
