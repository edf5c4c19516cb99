// Tables are sorted by pressing the head of a column, and long texts are copied. Without scripts there is nothing to
// press.

import { showCopy } from "./copy.js";
import { part } from "./show.js";

/** Makes buttons of the heads within `node` (those with a `role` have links), and shows those that copy. */
function addButtons(node) {
  for (const button of node.querySelectorAll("[data-copy][hidden]")) {
    showCopy(button, () => button.closest(".long").lastElementChild.textContent, part(document, "news"));
  }
  for (const head of node.querySelectorAll("thead th:not([role], :has(button))")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
  }
}

document.addEventListener("click", async ({ target }) => {
  const head = target.closest("th");
  if (!head || !target.closest("button")) return;
  const { sort } = await import("./sort.js");
  sort(head);
});
const result = document.querySelector("[data-part='result']"); // what is in it is replaced when the job ends
if (result) new MutationObserver(() => addButtons(result)).observe(result, { childList: true });
addButtons(document);
