"""Files that no rule took, and the rules that would."""

import re
from collections import Counter

from jobsync.steps.codebase.language import kind_of_language
from jobsync.steps.codebase.sentences import counted, shorten

MAX_EXAMPLES = 20
MAX_RULES = 20
# a name that means itself in a glob and in TOML
PLAIN = re.compile(r"[A-Za-z0-9_+@~-][A-Za-z0-9_.+@~-]{0,59}")
LIKELY = {"code": "source", "prose": "docs", "data": "data"}  # a category by kind of language


class Unknown:
    """The files that stayed unknown, by ending; those without one by name."""

    def __init__(self):
        self._endings, self._names = Counter(), Counter()
        self._categories = {}
        self._examples = []

    def add(self, file):
        """Add a file of a classification."""
        name = file["path"].rpartition("/")[2]
        ending = name.rpartition(".")[2].lower() if "." in name[1:] else ""
        counter, key = (self._endings, ending) if ending else (self._names, name)
        counter[key] += 1
        self._categories.setdefault(
            (bool(ending), key),
            "data" if file["binary"] else LIKELY.get(kind_of_language(file["language"]), "data"),
        )
        if len(self._examples) < MAX_EXAMPLES:
            self._examples.append(shorten(file["path"]))

    def words(self):
        """Return "12 files, most of them *.xyz", None if there are none."""
        found = self.report()
        if not found["files"]:
            return None
        first = found["rules"][0]
        if len(found["rules"]) == 1:
            return f"{counted(found['files'], 'file')}: {first['for']}"
        which = "most of them" if 2 * first["files"] > found["files"] else "the most"
        return f"{counted(found['files'], 'file')}, {which} {first['for']}"

    def report(self):
        """Return what stayed unknown, the most frequent first.

        {"files", "examples": [paths], "extensions": {ending: files}, "rules": [{"files", "for": a
        pattern, "rule": TOML that would catch them}]}
        """
        found = [(number, True, key) for key, number in self._endings.items()] + [
            (number, False, key) for key, number in self._names.items()
        ]
        found.sort(key=lambda row: (-row[0], row[2]))
        rules = [
            {
                "files": number,
                "for": shorten(f"*.{key}" if is_ending else key),
                "rule": self._rule(is_ending, key),
            }
            for number, is_ending, key in found[:MAX_RULES]
        ]
        endings = {
            shorten(key) or "(none)": number for key, number in self._endings.most_common(MAX_RULES)
        }
        return {
            "files": sum(number for number, *_ in found),
            "examples": self._examples,
            "extensions": endings,
            "rules": rules,
        }

    def _rule(self, is_ending, key):
        """Return a rule for an ending or a name, to be put into a file of rules, with a
        category that is a guess; None for an odd name.
        """
        if not PLAIN.fullmatch(key):
            return None
        condition = f'extension = ["{key}"]' if is_ending else f'path = ["{key}"]'
        return (
            f'[[rule]]\nname = "{key} files"\n'
            f'category = "{self._categories[(is_ending, key)]}"\n{condition}\n'
        )
