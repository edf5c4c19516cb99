// Tables are sorted by pressing the head of a column. Without scripts they are as the server ordered them, with nothing to press.

const order = new Intl.Collator(undefined, { numeric: true }).compare;

/** Makes buttons of the heads within `node`. */
function addButtons(node) {
  for (const head of node.querySelectorAll("thead th:not(:has(button))")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
  }
}

/** Returns a cell's value: a number, a text, or null for none, which stays last. */
function valueOf(cell) {
  const text = cell.textContent;
  if (text === "–" || text === "") return null;
  return cell.classList.contains("number") ? Number(text.replaceAll(",", "")) : text;
}

function sort(head) {
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

document.addEventListener("click", (event) => {
  const head = event.target.closest("th");
  if (head && event.target.closest("button")) sort(head);
});
const result = document.querySelector("[data-part='result']"); // what is in it is replaced when the job ends
if (result) new MutationObserver(() => addButtons(result)).observe(result, { childList: true });
addButtons(document);
