// A bar for each step on one axis of time, as the server drew it (jobsync/web/timeline.py has the same geometry), brought along.

import { clock, elapsed, part, setAttribute, setText, took } from "./show.js";

const MOST_TICKS = 4;
const [MINUTE, HOUR, DAY] = [60000, 3600000, 86400000];
const TICKS = [10, 20, 50, 100, 200, 500, ...[1, 2, 5, 10, 15, 30].map((number) => number * 1000), ...[1, 2, 5, 10, 15, 30].map((number) => number * MINUTE), ...[1, 2, 6, 12].map((number) => number * HOUR)];

const percent = (share, whole) => Math.floor((10000 * share) / whole + 0.5) / 100;

function tickOf(lasted) {
  let tick = TICKS.find((ms) => ms * MOST_TICKS >= lasted) ?? DAY;
  while (tick * MOST_TICKS < lasted) tick *= 2;
  return tick;
}

function labelOf(at, tick) {
  if (at === 0) return "0";
  if (tick < MINUTE) return `${at / 1000} s`;
  return tick < HOUR ? `${at / MINUTE} min` : `${at / HOUR} h`;
}

/**
 * Returns `{ ticks: [[place, label]], now, rows: [[wait, run]] }` from `start` to `until` (ms): places in percent, bars `[place, width]` or null.
 * steps: `name status depends started finished` (ms or null). The axis of a job that runs ends at the next tick, so that bars grow
 * instead of everything shrinking each second.
 */
export function layOut(start, until, isOver, steps) {
  const lasted = Math.max(until - start, 1);
  const tick = tickOf(lasted);
  const span = isOver ? lasted : (Math.floor(lasted / tick) + 1) * tick;
  const ends = new Map(steps.map(({ name, finished }) => [name, finished]));
  const within = (at) => Math.min(Math.max(at - start, 0), span);
  const bar = (from, to) => [percent(within(from), span), percent(Math.max(0, within(to) - within(from)), span)];
  const rows = steps.map(({ status, depends, started, finished }) => {
    const run = started !== null && (finished === null || finished >= start) ? bar(started, finished ?? until) : null;
    const waitsUntil = started ?? (status === "pending" && !isOver ? until : null);
    const before = depends.map((name) => ends.get(name));
    const ready = Math.max(start, ...before);
    const waits = waitsUntil !== null && !before.includes(null) && waitsUntil > ready;
    return [waits ? bar(ready, waitsUntil) : null, run];
  });
  const ticks = [];
  for (let at = 0; at <= span; at += tick) ticks.push([percent(at, span), labelOf(at, tick)]);
  return { ticks, now: isOver ? null : percent(within(until), span), rows };
}

const ms = (iso) => (iso ? Date.parse(iso) : null);

export class Timeline {
  #root;
  #said;
  #rest;
  #rows;
  #structure;
  #scale = "";

  constructor(root) {
    this.#root = root;
    this.#said = part(root, "time-said");
    this.#rest = this.#said.textContent;
    this.#rows = [...root.querySelectorAll("[data-row]")].map((node) => {
      const [wait, run] = node.querySelectorAll("rect");
      return { node, wait, run, depends: node.dataset.depends.split(" ").filter(Boolean), shown: "" };
    });
    for (const type of ["pointerover", "focusin"]) root.addEventListener(type, (event) => this.#say(event.target.closest("[data-row]")));
    for (const type of ["pointerleave", "focusout"]) root.addEventListener(type, () => this.#say(null));
  }

  /** Shows where the steps of a structure stand at `now` (ms). */
  show(structure, now) {
    this.#structure = structure;
    this.#rows.forEach((row, place) => this.#showStatus(row, structure.steps[place]));
    this.tick(now);
  }

  tick(now) {
    const { status, started_at: startedAt, finished_at: finishedAt, steps } = this.#structure;
    if (!startedAt) return;
    const isOver = finishedAt !== null;
    const times = steps.map((step, place) => ({ ...step, depends: this.#rows[place].depends, started: ms(step.started_at), finished: ms(step.finished_at) }));
    const { ticks, now: present, rows } = layOut(ms(startedAt), isOver ? ms(finishedAt) : Math.max(now, ms(startedAt)), isOver, times);
    this.#showScale(ticks);
    const line = part(this.#root, "now");
    setAttribute(line, "visibility", isOver ? "hidden" : "visible");
    for (const end of ["x1", "x2"]) setAttribute(line, end, `${present ?? 0}%`);
    this.#rows.forEach((row, place) => this.#place(row, rows[place]));
  }

  #showStatus({ node }, { status }) {
    if (node.classList.contains(`is-${status}`)) return;
    node.className = `time-row is-${status}`;
    setAttribute(node.querySelector("use"), "href", `#i-${status}`);
    node.removeAttribute("title"); // as served; the line below says it
  }

  #showScale(ticks) {
    const scale = ticks.join();
    if (scale === this.#scale) return;
    this.#scale = scale;
    const [axis, grid] = [part(this.#root, "axis"), part(this.#root, "grid")];
    axis.replaceChildren(...ticks.map(([place, label]) => svg("text", { x: `${place}%`, y: 12 }, label)));
    grid.replaceChildren(...ticks.map(([place]) => svg("line", { x1: `${place}%`, x2: `${place}%`, y2: "100%" })), part(grid, "now"));
  }

  #place(row, bars) {
    const shown = bars.join(";");
    if (shown === row.shown) return;
    row.shown = shown;
    [row.wait, row.run].forEach((rect, which) => {
      const [x, width] = bars[which] ?? [0, 0];
      rect.setAttribute("x", `${x}%`);
      rect.setAttribute("width", `${width}%`);
    });
  }

  #say(node) {
    const step = node && this.#structure.steps.find(({ name }) => name === node.dataset.row);
    setText(this.#said, step ? `${step.name}: ${timesOf(step)}` : this.#rest);
    if (step) setAttribute(node, "title", this.#said.textContent);
  }
}

function timesOf({ status, started_at: started, finished_at: finished }) {
  if (!started) return status;
  if (!finished) return `${status}, started ${clock(started)}`;
  return `${status}, ${clock(started)} to ${clock(finished)}, took ${took(started, finished)}`;
}

function svg(tag, attributes, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}
