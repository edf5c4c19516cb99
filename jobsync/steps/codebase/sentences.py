"""Summing up many results one by one into a report of bounded size."""

from collections import Counter

OTHER = "(other)"
LONGEST_TEXT = 200
MAX_EXAMPLES = 20
MAX_REASONS = 20
UNITS = ("kB", "MB", "GB", "TB")


class Sums:
    """Amounts by name, such as files, bytes and lines by language.

    A report shows the largest names and puts what is left into one row, so the rows always add up
    to the whole.
    """

    def __init__(self, *fields):
        self.fields = fields
        self.rows = {}

    def add(self, name, *amounts):
        """Add the amounts, in the order of the fields, to the row of that name."""
        row = self.rows.get(name)
        if row is None:
            row = self.rows[name] = [0] * len(self.fields)
        for at, amount in enumerate(amounts):
            row[at] += amount

    def add_rows(self, rows):
        """Add the `rows` of other Sums of the same fields."""
        for name, amounts in rows.items():
            self.add(name, *amounts)

    def total(self):
        """Return {field: amount} of all rows."""
        return dict(zip(self.fields, self._add_up(self.rows.values()), strict=True))

    def _add_up(self, rows):
        return [sum(column) for column in zip(*rows, strict=True)] or [0] * len(self.fields)

    def report(self, limit, by="lines"):
        """Return {name: {field: amount}}, the `limit` largest first, the others as "(other)"."""
        first = self.fields.index(by)
        order = sorted(self.rows.items(), key=lambda item: (-item[1][first], -item[1][0], item[0]))
        shown, rest = order[:limit], [row for _, row in order[limit:]]
        if rest:
            shown.append((OTHER, self._add_up(rest)))
        return {name: dict(zip(self.fields, row, strict=True)) for name, row in shown}


class Largest:
    """The rows with the largest number of all that were offered; equal ones by path, so the
    order of offering doesn't matter.
    """

    def __init__(self, limit, by):
        self.limit = limit
        self.by = by
        self.kept = []

    def offer(self, row):
        self.kept.append(row)
        if len(self.kept) >= 20 * self.limit:
            self.kept = self.rows()

    def rows(self):
        """Return the rows, largest first."""
        return sorted(self.kept, key=lambda row: (-row[self.by], row["path"]))[: self.limit]


class Unread:
    """What wasn't read, by reason, with the first few as examples."""

    def __init__(self):
        self.reasons = Counter()
        self.examples = []

    def add(self, path, reason):
        self.reasons[reason] += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append({"path": shorten(path), "reason": reason})

    def add_report(self, report):
        """Add what another one reported."""
        self.reasons.update(report["skipped_reasons"])
        self.examples += report["skipped_examples"][: MAX_EXAMPLES - len(self.examples)]

    def report(self):
        """Return {"skipped": number, "skipped_reasons": {reason: number}, "skipped_examples":
        [{"path", "reason"}]}.
        """
        return {
            "skipped": self.reasons.total(),
            "skipped_reasons": dict(self.reasons.most_common(MAX_REASONS)),
            "skipped_examples": self.examples,
        }


def shorten(text):
    """Return `text`, or its two ends if it is too long for a report."""
    if len(text) <= LONGEST_TEXT:
        return text
    half = LONGEST_TEXT // 2
    return f"{text[:half]}…{text[-half:]}"


def top_folder(path):
    """Return the first folder of a path text, "." for a file that is in none."""
    return shorten(path.partition("/")[0]) if "/" in path else "."


def folder_of(path):
    """Return the folder of a path text, "." for a file that is in none."""
    return path.rpartition("/")[0] or "."


def counted(number, thing, things=None):
    """Return "1 file" or "1,234 files"; `things` is the plural where that isn't made by an s."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {things or thing + 's'}"


def first_of(listed, found):
    """Return "the first 10,000 of 25,412 files"."""
    return f"the first {listed:,} of {counted(found, 'file')}"


def report_cut(cut):
    """Return what a result says of where the walk was cut (see `cut_of`): {"cut": False}, or
    {"cut": True, "listed", "found": files}.
    """
    return {"cut": True, **cut} if cut else {"cut": False}


def cut_sentence(cut):
    """Return what a report has to say first of a walk that was cut: "Only the first 10,000 of
    25,412 files are in this report. ", else "".
    """
    return f"Only {first_of(**cut)} are in this report. " if cut else ""


def share(part, whole):
    """Return a share as people say it: "under 1 %" for what would be rounded to nothing."""
    percent = round(100 * part / whole)
    return f"{percent} %" if percent else "under 1 %"


def readable(size):
    """Return a number of bytes as "12.3 MB"."""
    if size < 1000:
        return counted(size, "byte")
    power = min((len(str(size)) - 1) // 3, len(UNITS))
    return f"{size / 1000**power:,.1f} {UNITS[power - 1]}"
