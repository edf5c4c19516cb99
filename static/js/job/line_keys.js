// The keys of a log: it is one stop of the Tab key, Enter leads to its lines, the arrows from one to the next. Loaded
// when a log gets the focus.

/**
 * box: the log, which has the focus or something in it has. rows: the list of its lines, whose links are no stops of
 * the Tab key.
 */
export function goThroughLines(box, rows) {
  const moves = {
    Enter: (line) => (line ? null : [...rows.children].find((row) => row.offsetTop + row.offsetHeight > box.scrollTop)),
    ArrowDown: (line) => line?.nextElementSibling,
    ArrowUp: (line) => line?.previousElementSibling,
  };
  box.addEventListener("keydown", (event) => {
    const line = rows.contains(event.target) ? event.target.closest("li") : null;
    const next = (line || event.target === box) && moves[event.key]?.(line);
    if (!next) return;
    event.preventDefault();
    next.firstElementChild.focus();
  });
}
