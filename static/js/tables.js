// Tables are sorted by pressing the head of a column. Without scripts they are as the server ordered them, with nothing to press.

/** Makes buttons of the heads within `node`. */
function addButtons(node) {
  for (const head of node.querySelectorAll("thead th:not(:has(button))")) {
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
