// The steps of a job as a graph, as the server draws them; their statuses are brought along. Loaded when somebody opens
// it.

import { number, setAttribute, setText, showStatus } from "../lib/show.js";
import { sum } from "../lib/status.js";
import { styled } from "../lib/styles.js";

const ENDED = ["completed", "failed", "cancelled"];

export class Graph {
  #nodes = new Map();

  /** panel: where it goes. Resolves when it is there. */
  async load(panel) {
    const [response] = await Promise.all([
      panel.firstElementChild ? null : fetch(`${location.pathname}/graph`, { cache: "no-store" }),
      styled("/static/css/parts.css"),
    ]);
    if (response && !response.ok) throw new Error(`the server answered ${response.status}`);
    // Made by the server as for the page itself: it escapes what it fills in
    if (response) panel.innerHTML = await response.text();
    for (const node of panel.querySelectorAll("[data-node]")) this.#nodes.set(node.dataset.node, node);
    const first = panel.querySelector(".node.is-failed") ?? panel.querySelector(".node.is-running, .node");
    if (first) showWithin(panel.firstElementChild, first);
  }

  show({ steps }) {
    for (const { name, status, children, child_count: total } of steps) {
      const node = this.#nodes.get(name);
      if (!node) return; // too many to be drawn
      if (node.dataset.status !== status) showStatus(node, status, node.querySelector(".node-status"));
      setAttribute(node, "data-status", status);
      const done = sum(ENDED, (each) => children[each]);
      const share = total ? done / total : Number(status === "completed");
      const bar = node.querySelector(".node-done");
      setAttribute(bar, "width", Math.round(share * Number(bar.dataset.most)));
      const words = total ? `, ${number(done)} of ${number(total)} ${total === 1 ? "child" : "children"} ended` : "";
      setText(node.querySelector("title"), `${name}: ${status}${words}`);
    }
  }
}

/** Scrolls a box so that a node is about a third from its top and its left edge, where it has more than fits. */
function showWithin(box, node) {
  const [frame, place] = [box.getBoundingClientRect(), node.getBoundingClientRect()];
  box.scrollTop += place.top - frame.top - box.clientHeight / 3;
  box.scrollLeft += place.left - frame.left - box.clientWidth / 3;
}
