"""Numbers of children in words."""


def amount(count, noun, plural=None):
    """Return `1 line`, `1,234 lines`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def children_of(counts):
    """Return `37 queued and 4 running children` for `{"queued": 37, "running": 4}`, "" for none."""
    parts = [f"{count:,} {word}" for word, count in counts.items() if count]
    if not parts:
        return ""
    words = " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
    return f"{words} {'child' if sum(counts.values()) == 1 else 'children'}"
