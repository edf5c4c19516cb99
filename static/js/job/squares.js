// All children of a step at a glance: a square each, or one for a group of them where there are many. The server makes
// the same (jobsync/web/squares.py).

import { number, setAttribute, setText } from "../lib/show.js";

const MOST = 1000; // squares
const DENSE = 120; // squares: more are drawn smaller
const WORST = ["failed", "cancelled", "running", "pending", "completed"]; // the first one that is in a group shows
// By the fourth letters of their words
const STATUS_OF = { d: "pending", n: "running", p: "completed", l: "failed", c: "cancelled" };

/** Returns `[{ first, last, status, share, words }]` of statuses, a letter each. */
export function squaresOf(letters) {
  const size = Math.ceil(letters.length / MOST) || 1;
  const squares = [];
  for (let start = 0; start < letters.length; start += size) squares.push(squareOf(letters, start, size));
  return squares;
}

function squareOf(letters, start, size) {
  const end = Math.min(start + size, letters.length);
  const counts = new Map(WORST.map((status) => [status, 0]));
  for (let place = start; place < end; place += 1) {
    const status = STATUS_OF[letters[place]];
    counts.set(status, counts.get(status) + 1);
  }
  const found = [...counts].filter(([, count]) => count > 0);
  const [status, count] = found[0];
  const counted = found.map(([name, many]) => `${number(many)} ${name}`).join(", ");
  const [first, last] = [start + 1, end];
  const words = first === last ? `${number(first)}: ${status}` : `${number(first)}–${number(last)}: ${counted}`;
  return { first, last, status, share: Math.ceil((8 * count) / (end - start)), words };
}

export class Squares {
  #box;
  #hrefOf;
  #group;
  #said;
  #rest = "";

  /** box: where they go, perhaps with some as served. name: the step's. hrefOf(first): where a square leads to. */
  constructor(box, name, hrefOf) {
    this.#box = box;
    this.#hrefOf = hrefOf;
    this.#group = box.querySelector(".squares") ?? document.createElement("div");
    setAttribute(this.#group, "class", "squares");
    setAttribute(this.#group, "role", "group");
    setAttribute(this.#group, "aria-label", `All children of ${name} at a glance`);
    this.#said = document.createElement("p");
    this.#said.className = "squares-said small muted";
    box.append(this.#group, this.#said);
    for (const type of ["pointerover", "focusin"]) box.addEventListener(type, (event) => this.#say(event.target));
    for (const type of ["pointerleave", "focusout"]) box.addEventListener(type, () => setText(this.#said, this.#rest));
    this.#group.addEventListener("keydown", (event) => this.#move(event));
  }

  show(letters) {
    const squares = squaresOf(letters);
    const nodes = this.#group.children;
    while (nodes.length > squares.length) this.#group.lastElementChild.remove();
    while (nodes.length < squares.length) this.#group.append(document.createElement("a"));
    squares.forEach((square, place) => this.#draw(nodes[place], square));
    this.#group.classList.toggle("is-dense", squares.length > DENSE);
    if (nodes.length && !this.#group.querySelector("[tabindex='0']")) nodes[0].tabIndex = 0; // one stop of the Tab key
    const size = squares[0] ? squares[0].last : 1;
    const group = `Each square is ${number(size)} children: the worst of them shows.`;
    this.#rest = size > 1 ? group : "A square for each child.";
    const { activeElement } = document;
    setText(this.#said, this.#group.contains(activeElement) ? activeElement.title : this.#rest);
  }

  #draw(node, { first, status, share, words }) {
    if (node.title === words && node.dataset.square === String(first)) return;
    if (!node.hasAttribute("tabindex")) node.tabIndex = -1;
    setAttribute(node, "class", `square is-${status}`);
    setAttribute(node, "data-square", first);
    setAttribute(node, "data-status", status);
    setAttribute(node, "data-share", share);
    setAttribute(node, "href", this.#hrefOf(first));
    setAttribute(node, "aria-label", words);
    node.title = words;
  }

  #say(node) {
    if (node.dataset.square) setText(this.#said, node.title);
  }

  /** The arrows lead from square to square, up and down to the next row. */
  #move(event) {
    const nodes = [...this.#group.children];
    const at = nodes.indexOf(event.target);
    const row = nodes.findIndex((node) => node.offsetTop > nodes[0].offsetTop);
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row, Home: -at, End: nodes.length - 1 - at };
    const next = nodes[at + by[event.key]];
    if (at === -1 || !next) return;
    event.preventDefault();
    nodes[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
}
