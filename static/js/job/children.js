// The children of a step, as the server renders them: a table of them and all at a glance. Kept current while it is
// open. Loaded when somebody opens it.

import { elapsed, localizeTimes, number, setText } from "../lib/show.js";
import { morph } from "../lib/morph.js";
import { styled } from "../lib/styles.js";
import { Squares } from "./squares.js";

const PACE = 1000; // ms between two looks
const MORE_FOR_EACH = 0.01; // ms for each child, between two looks at all of them
const OF_PAGE = ["children", "open", "before", "level", "graph"]; // what an address says of the rest of the page

export class ChildTable {
  #panel;
  #name;
  #watch;
  #query;
  #squares = null;
  #stops = [];
  #step;

  /**
   * panel: where it goes, perhaps with a table as served. step: as in `structure`. watch(options): as of JobSync.
   * now(): the server's time in ms.
   */
  constructor(panel, step, watch) {
    this.#panel = panel;
    this.#name = step.name;
    this.#step = step;
    this.#watch = watch;
    panel.tabIndex = -1;
    panel.addEventListener("click", (event) => this.#press(event));
    this.#query = panel.firstElementChild ? queryOf(location.search) : "";
  }

  /** Begins to keep it current. */
  async start() {
    if (this.#stops.length) return;
    this.#stops = [() => {}];
    await styled("/static/css/parts.css");
    if (this.#stops.length === 1) this.#look();
  }

  /** Leaves it as it is. */
  stop() {
    for (const stop of this.#stops) stop();
    this.#stops = [];
  }

  #look() {
    const base = `${location.pathname}/steps/${this.#name}`;
    const keyOf = ({ revision }) => revision;
    const query = this.#query;
    const table = { keyOf, url: `${base}/children?${query}`, spacing: PACE, onHtml: (html) => this.#show(html) };
    const spacing = PACE + MORE_FOR_EACH * this.#step.child_count;
    const all = { keyOf, url: `${base}/statuses`, spacing, onHtml: (letters) => this.#showSquares(letters) };
    this.#stops = [this.#watch(table), this.#stops[1] ?? this.#watch(all)];
  }

  #letters = "";

  #showSquares(letters) {
    this.#letters = letters;
    const box = this.#panel.querySelector("[data-keep=squares]");
    if (!box) return; // it comes with the table
    this.#squares ??= new Squares(box, this.#name, (first) => this.#addressOf(`flat=1&at=${first}&show=1`));
    this.#squares.show(letters);
  }

  #addressOf(query) {
    return `${location.pathname}?children=${this.#name}${query && "&"}${query}#children-${this.#name}`;
  }

  #show(html) {
    if (!html) return;
    const newer = document.createElement("div");
    newer.innerHTML = html; // made by the server as for the page itself: it escapes what it fills in
    localizeTimes(newer);
    morph(this.#panel, newer);
    this.#panel.removeAttribute("aria-busy");
    this.#takeBack();
    this.count(this.#step);
    if (!this.#squares && this.#letters) this.#showSquares(this.#letters);
    if (this.#isWanted) this.#panel.querySelector(".is-target")?.scrollIntoView({ block: "nearest" });
    this.#isWanted = false;
  }

  #isWanted = false; // the viewer has just asked for it

  /** Takes back what is said of a child and isn't true any more. */
  #takeBack() {
    for (const said of this.#panel.querySelectorAll("[data-keep=said]")) {
      const { status } = said.closest("[data-details]").previousElementSibling.dataset;
      if (said.dataset.seen && said.dataset.seen !== status && !said.dataset.trueIn?.split(" ").includes(status)) {
        setText(said, "");
      }
      said.dataset.seen = status;
    }
  }

  /** Brings the counts along: they are those of the structure that the page shows. */
  count(step) {
    this.#step = step;
    for (const link of this.#panel.querySelectorAll("[data-filter-status]")) {
      const count = step.children[link.dataset.filterStatus] ?? step.child_count;
      setText(link.querySelector("span"), number(count));
    }
  }

  /** Brings the time along that running children have taken by `now` (ms). */
  tick(now) {
    for (const cell of this.#panel.querySelectorAll("[data-since]")) {
      setText(cell, elapsed({ started_at: cell.dataset.since, finished_at: null }, now));
    }
  }

  #press(event) {
    const link = event.target.closest("a[href]");
    const isOurs = link && new URL(link.href).searchParams.get("children") === this.#name;
    if (!isOurs || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.replaceState(null, "", link.href);
    this.#query = queryOf(new URL(link.href).search);
    this.#isWanted = true;
    this.#panel.setAttribute("aria-busy", "true");
    const [stop, ...others] = this.#stops;
    stop?.();
    this.#stops = [() => {}, ...others];
    this.#look();
  }
}

/** Returns what an address says of the table. */
function queryOf(search) {
  const query = new URLSearchParams(search);
  for (const name of OF_PAGE) query.delete(name);
  return query.toString();
}
