"""Figures as pictures: shares of a whole as one stacked bar, drawn by the server as SVG."""

from dataclasses import dataclass

COLOURS = 7  # `--c1` to `--c7` of the style sheet; the last is that of the rest
LETTER = 2.4  # percent of a phone's width that a letter of a label takes
FROM = 4  # letters of a label that may be too wide, for the space around it


@dataclass(frozen=True)
class Part:
    """A share of the whole.

    `start` and `share` in percent, `colour` a class; `is_wide` where its name fits into the bar.
    """

    name: str
    value: int
    start: float
    share: float
    colour: str
    is_wide: bool

    @property
    def percent(self):
        """Return the share as people say it."""
        return f"{round(self.share)} %" if self.share >= 0.5 else "under 1 %"


@dataclass(frozen=True)
class Bar:
    """A stacked bar of what was counted (`of`: "lines"), the largest part first."""

    of: str
    parts: list

    @property
    def colours(self):
        """Return `{name: colour}` of the parts that have a colour of their own."""
        return {part.name: part.colour for part in self.parts if part.colour != f"c{COLOURS}"}


def stacked(amounts, of):
    """Return the Bar of `[(name, amount)]`, what is beyond six parts as one; None where there
    is nothing to share out.
    """
    counted = [(name, amount) for name, amount in amounts if _is_amount(amount) and amount > 0]
    total = sum(amount for _, amount in counted)
    if not total or len(counted) != sum(1 for _, amount in amounts if amount):
        return None
    ordered = sorted(counted, key=lambda item: -item[1])
    first, rest = ordered[: COLOURS - 1], ordered[COLOURS - 1 :]
    named = [(name, amount, f"c{place}") for place, (name, amount) in enumerate(first, 1)]
    if rest:
        named.append((f"{len(rest)} more", sum(amount for _, amount in rest), f"c{COLOURS}"))
    return Bar(of, list(_placed(named, total)))


def _is_amount(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _placed(named, total):
    start = 0
    for name, amount, colour in named:
        share = amount * 100 / total
        yield Part(
            name,
            amount,
            round(start, 3),
            round(share, 3),
            colour,
            share >= LETTER * (len(name) + FROM),
        )
        start += share
