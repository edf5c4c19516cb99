"""The labels of real files, and how many of them the rules get right."""

import csv
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
HALVES = ("tune", "kept")


class Label(NamedTuple):
    """A labelled file. right: the category it has, and another one that is right too, if there
    is one.
    """

    package: str
    path: str
    right: tuple


def labels(half):
    """Return the Labels of a half."""
    with open(HERE / f"{half}.csv", newline="", encoding="utf-8") as file:
        return [
            Label(row["package"], row["path"], tuple(filter(None, (row["label"], row["or"]))))
            for row in csv.DictReader(file)
        ]


class Score:
    """How many files of a half were given a right category. classified: {(package, path): file
    as the classifier has it}.
    """

    def __init__(self, half, classified):
        self.rows = [(label, classified[label.package, label.path]) for label in labels(half)]

    @property
    def share(self):
        return sum(file["category"] in label.right for label, file in self.rows) / len(self.rows)

    def by(self, key):
        """Return {key(label): (right, all)}, sorted."""
        counts = defaultdict(lambda: [0, 0])
        for label, file in self.rows:
            counts[key(label)][0] += file["category"] in label.right
            counts[key(label)][1] += 1
        return dict(sorted(counts.items()))

    def text(self, half):
        """Return the score as a table, by category and by package, and what is wrong; of the
        kept half nobody looks at that.
        """
        lines = [f"{half}: {self.share:.1%} right"]
        for key in (lambda label: label.right[0], lambda label: label.package):
            lines += [
                f"  {name:<45}{right:>4} of {total:>3}"
                for name, (right, total) in self.by(key).items()
            ]
        wrong = [
            (label, file)
            for label, file in self.rows
            if file["category"] not in label.right and half == "tune"
        ]
        return "\n".join(
            lines
            + [
                f"  {label.package} {label.path}: {file['category']} by {file['rule']}"
                for label, file in wrong
            ]
        )
