// A bar for each step on one axis of time, as the server drew it (jobsync/web/timeline.py has the same geometry),
// brought along.

import { clock, lasting, part, setAttribute, setText, showStatus, took } from "../lib/show.js";

const MOST_TICKS = 4;
const [SECOND, MINUTE, HOUR] = [1000, 60000, 3600000];
const TICKS = [10, 20, 50, 100, 200, 500]; // ms
for (const unit of [SECOND, MINUTE]) for (const number of [1, 2, 5, 10, 15, 30]) TICKS.push(number * unit);
for (const number of [1, 2, 6, 12, 24]) TICKS.push(number * HOUR);

const percent = (share, whole) => Math.floor((10000 * share) / whole + 0.5) / 100;

function tickOf(lasted) {
  let tick = TICKS.find((ms) => ms * MOST_TICKS >= lasted) ?? TICKS.at(-1);
  while (tick * MOST_TICKS < lasted) tick *= 2;
  return tick;
}

function labelOf(at, tick) {
  const [unit, name] = tick < MINUTE ? [SECOND, "s"] : tick < HOUR ? [MINUTE, "min"] : [HOUR, "h"];
  return at ? `${at / unit} ${name}` : "0";
}

/**
 * Returns `{ ticks: [[place, label]], now, rows: [[wait, run, waited]] }` of a structure at `now` (ms): places in
 * percent, bars `[place, width]` or null, `waited` in ms. depends: for each step the names of those it waits for. The
 * axis of a job that runs ends at the next tick, so that bars grow instead of everything shrinking each second.
 */
export function layOut({ started_at: startedAt, finished_at: finishedAt, steps }, depends, now) {
  const start = Date.parse(startedAt);
  const until = finishedAt ? Date.parse(finishedAt) : Math.max(now, start);
  const lasted = Math.max(until - start, 1);
  const tick = tickOf(lasted);
  const span = finishedAt ? lasted : (Math.floor(lasted / tick) + 1) * tick;
  const place = (at) => Math.min(Math.max(at - start, 0), span);
  const bar = (from, to) => [percent(place(from), span), percent(Math.max(0, place(to) - place(from)), span)];
  const ends = new Map(steps.map((step) => [step.name, Date.parse(step.finished_at)])); // NaN for none
  const rows = steps.map(({ status, started_at: begunAt, finished_at: endedAt }, which) => {
    const [begun, ended] = [Date.parse(begunAt), endedAt ? Date.parse(endedAt) : until];
    const waitsUntil = begunAt ? begun : status === "pending" && !finishedAt ? until : NaN;
    const ready = Math.max(start, ...depends[which].map((name) => ends.get(name)));
    return [
      waitsUntil > ready ? bar(ready, waitsUntil) : null,
      begunAt && ended >= start ? bar(begun, ended) : null,
      waitsUntil - ready || 0,
    ];
  });
  const ticks = [];
  for (let at = 0; at <= span; at += tick) ticks.push([percent(at, span), labelOf(at, tick)]);
  return { ticks, now: finishedAt ? null : percent(place(until), span), rows };
}

export class Timeline {
  #said;
  #rest;
  #rows;
  #depends;
  #axis;
  #grid;
  #line;
  #structure;
  #scale = "";
  #asked;

  /** root: as served. */
  constructor(root) {
    [this.#said, this.#axis, this.#grid, this.#line] = ["time-said", "axis", "grid", "now"].map((name) =>
      part(root, name),
    );
    this.#rest = this.#said.textContent;
    this.#rows = [...root.querySelectorAll("[data-row]")];
    this.#depends = this.#rows.map((row) => row.dataset.depends.split(" ").filter(Boolean));
    const trouble = root.querySelector(".is-failed, .is-running");
    // Where there are more rows than fit
    if (trouble) this.#axis.parentNode.parentNode.scrollTop = trouble.offsetTop - 60;
    for (const type of ["pointerover", "focusin"]) {
      root.addEventListener(type, (event) => this.#say(event.target.closest("[data-row]")));
    }
    for (const type of ["pointerleave", "focusout"]) root.addEventListener(type, () => this.#say(null));
    this.#asked = root.querySelector("[data-row]:is(:hover, :focus)"); // it was loaded for that
  }

  /** Shows where the steps of a structure stand at `now` (ms). */
  show(structure, now) {
    this.#structure = structure;
    this.#rows.forEach((row, place) => {
      const { status } = structure.steps[place];
      if (!row.classList.contains(`is-${status}`)) showStatus(row, status, part(row, "word"));
    });
    this.tick(now);
    if (this.#asked) this.#say(this.#asked);
    this.#asked = null;
  }

  /** The same a moment later. */
  tick(now) {
    if (!this.#structure.started_at) return;
    const { ticks, now: present, rows } = layOut(this.#structure, this.#depends, now);
    this.#showScale(ticks);
    setAttribute(this.#line, "visibility", present === null ? "hidden" : "visible");
    for (const end of ["x1", "x2"]) setAttribute(this.#line, end, `${present ?? 0}%`);
    rows.forEach((bars, place) => {
      [...this.#rows[place].lastElementChild.children].forEach((rect, which) => {
        const [x, width] = bars[which] ?? [0, 0];
        setAttribute(rect, "x", `${x}%`);
        setAttribute(rect, "width", `${width}%`);
      });
    });
  }

  #showScale(ticks) {
    if (String(ticks) === this.#scale) return;
    this.#scale = String(ticks);
    this.#axis.replaceChildren(...ticks.map(([place, label]) => svg("text", { x: `${place}%`, y: 12 }, label)));
    this.#grid.replaceChildren(
      ...ticks.map(([place]) => svg("line", { x1: `${place}%`, x2: `${place}%`, y2: "100%" })),
      this.#line,
    );
  }

  #say(row) {
    const place = this.#rows.indexOf(row);
    const text = row ? this.#timesOf(place) : this.#rest;
    setText(this.#said, text);
    row?.setAttribute("title", text);
  }

  /** Returns a step's exact times. */
  #timesOf(place) {
    const { name, status, started_at: started, finished_at: finished } = this.#structure.steps[place];
    const words = [`${name}: ${status}`];
    if (started) {
      const [, , waited] = layOut(this.#structure, this.#depends, 0).rows[place];
      words.push(`waited ${lasting(waited)}`, `started ${clock(started)}`);
    }
    if (finished && started) words.push(`finished ${clock(finished)}`, `took ${took(started, finished)}`);
    return words.join(", ");
  }
}

function svg(tag, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const name in attributes) node.setAttribute(name, attributes[name]);
  if (text) node.textContent = text;
  return node;
}
