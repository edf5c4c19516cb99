// What failed in a job, as the server rendered it: in the panel, and in each step's place. Its counts stay those of the
// structure that is shown. Loaded only where something fails.

import { number, patch, setText } from "../lib/show.js";

export class Failures {
  #panel;
  #places;

  /** panel: where the fragment goes. places: name of a step → where its failed children go. */
  constructor(panel, places) {
    this.#panel = panel;
    this.#places = places;
  }

  /** Shows a newer fragment. The focus stays on the same link. */
  show(html, structure) {
    const newer = document.createElement("div");
    newer.innerHTML = html; // made by the server as for the page itself: it escapes what it fills in
    const lists = new Map();
    for (const node of newer.querySelectorAll("[data-failure]")) {
      lists.set(node.dataset.failure, node.querySelector(".failed-children"));
    }
    for (const [name, place] of this.#places) replace(place, lists.get(name)?.cloneNode(true) ?? "");
    replace(this.#panel, ...newer.childNodes);
    this.#panel.classList.toggle("says-why", this.#panel.querySelector("[data-says-why]") !== null);
    this.count(structure);
  }

  /** Brings the counts along. */
  count({ steps }) {
    if (!this.#panel.firstElementChild) return;
    for (const { name, children, child_count: total } of steps) {
      const said = children.failed && this.#panel.querySelector(`[data-failure="${name}"] [data-part="failed"]`);
      if (said) setText(said, `${number(children.failed)} of ${number(total)} children failed`);
    }
  }
}

function replace(place, ...nodes) {
  const newer = place.cloneNode();
  newer.append(...nodes);
  const focused = place.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  patch(place, newer);
  if (focused !== null && !place.contains(document.activeElement)) {
    const again = [...place.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused);
    (again ?? place.closest("[tabindex]") ?? document.querySelector("h1")).focus({ preventScroll: true });
  }
}
