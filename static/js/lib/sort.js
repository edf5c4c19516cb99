// Sorts the rows of a table by a column. Loaded only when somebody presses a head.

const order = new Intl.Collator(undefined, { numeric: true }).compare;

/** Returns a cell's value: a number, a text, or null for none, which stays last. */
function valueOf(cell) {
  const text = cell.title || cell.textContent; // the title has what a rounded number stands for
  if (text === "–" || text === "") return null;
  return cell.classList.contains("number") ? parseFloat(text.replaceAll(",", "")) : text;
}

/** Sorts by the column of `head`, a <th>: pressed again, the other way round. */
export function sort(head) {
  const isNumber = head.classList.contains("number");
  const was = head.getAttribute("aria-sort");
  const isDown = was ? was === "ascending" : isNumber; // the most comes first, and the first letter
  for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
  const body = head.closest("table").tBodies[0];
  const rows = [...body.rows].map((row) => [valueOf(row.cells[head.cellIndex]), row]);
  rows.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    const found = typeof a === "number" && typeof b === "number" ? a - b : order(a, b);
    return isDown ? -found : found;
  });
  body.append(...rows.map(([, row]) => row));
}
