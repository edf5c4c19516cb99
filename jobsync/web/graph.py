"""A definition's steps as a picture: from left to right, what runs side by side one above the
other, arrows from what a step depends on.

Every step stands one column after the last that it depends on. An arrow over several columns gets a
row of its own in those between, so that it passes no step.
"""

from dataclasses import dataclass
from graphlib import TopologicalSorter

MOST = 26  # letters of a name
MOST_STEPS = 200  # of a picture that anyone can make something of
MOST_PIECES = 5000  # of all its arrows: one for each column that they pass
LETTER, PADDING = 8, 28  # px
HEIGHT, ROW, GAP = 42, 58, 44  # px: of a step, from row to row, between columns


@dataclass(frozen=True)
class Node:
    """A step and its place in px. `label` is its name, shortened where it is long."""

    name: str
    label: str
    type: str
    x: int
    y: float
    width: int
    height: int = HEIGHT

    @property
    def middle(self):
        return self.y + self.height / 2


@dataclass(frozen=True)
class Drawing:
    """All of it. edges: paths as SVG writes them."""

    width: int
    height: int
    nodes: list
    edges: list


def draw(steps, extra=0):
    """Return the Drawing of steps (with `name`, `type` and `depends`), or None of a single one
    or of too many for a picture. extra: letters of room beside each name.
    """
    named = {step.name: step for step in steps}
    if not 1 < len(named) <= MOST_STEPS:
        return None
    depths = _depths(named)
    if (
        sum(depths[step.name] - depths[name] for step in steps for name in step.depends)
        > MOST_PIECES
    ):
        return None
    columns = _ordered(_columns(named, depths), named)
    most = max(map(len, columns))
    places, x = {}, 0
    for depth, column in enumerate(columns):
        width = _width([named[name] for name, is_step in column if is_step]) + extra * LETTER
        for row, (name, _) in enumerate(column):
            y = (most - len(column)) * ROW / 2 + row * ROW
            places[name, depth] = Node(name, _short(name), named[name].type, x, y + 1, width)
        x += width + GAP
    nodes = [places[step.name, depths[step.name]] for step in steps]
    edges = [_path(places, name, step.name, depths) for step in steps for name in step.depends]
    return Drawing(x - GAP, most * ROW - (ROW - HEIGHT) + 2, nodes, edges)


def _depths(named):
    """Return `{name: column}`."""
    depths = {}
    for name in TopologicalSorter(
        {name: step.depends for name, step in named.items()}
    ).static_order():
        depths[name] = max((depths[before] + 1 for before in named[name].depends), default=0)
    return depths


def _columns(named, depths):
    """Return the columns as lists of `(name, is_step)`, which is false where only arrows from
    that step pass.
    """
    columns = [[] for _ in range(max(depths.values()) + 1)]
    reach = dict(depths)
    for name, step in named.items():
        for before in step.depends:
            reach[before] = max(reach[before], depths[name])
    for name, depth in depths.items():
        for column in range(depth, max(reach[name], depth + 1)):
            columns[column].append((name, column == depth))
    return columns


def _ordered(columns, named):
    """Return the columns with each entry as near as may be to what comes before it, so that few
    arrows cross.
    """
    place = {name: at for at, name in enumerate(named)}
    rows, ordered = {}, []
    for column in columns:
        keys = {
            (name, is_step): (
                _mean([rows[before] for before in (named[name].depends if is_step else [name])]),
                place[name],
            )
            for name, is_step in column
        }
        ordered.append(sorted(column, key=keys.get))
        rows.update({name: row - len(column) / 2 for row, (name, _) in enumerate(ordered[-1])})
    return ordered


def _mean(values):
    return sum(values) / len(values) if values else 0


def _width(steps):
    return max(
        len(_short(text)) * LETTER + PADDING for step in steps for text in (step.name, step.type)
    )


def _short(name):
    return name if len(name) <= MOST else name[: MOST - 1] + "…"


def _path(places, start, end, depths):
    place = places[start, depths[start]]
    path = [f"M{place.x + place.width} {place.middle:g}"]
    for depth in range(depths[start] + 1, depths[end] + 1):
        before, place = place, places[start if depth < depths[end] else end, depth]
        turn = before.x + before.width + GAP / 2
        path.append(
            f"C{turn:g} {before.middle:g} {turn:g} {place.middle:g} {place.x:g} {place.middle:g}"
        )
        if depth < depths[end]:
            path.append(f"H{place.x + place.width}")
    return "".join(path)
