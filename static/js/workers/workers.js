// The page of the workers and the queues: shows what PageSync brings, and sends what its buttons ask for. All words are
// the server's.

import { everySecond, pageClock } from "../lib/clock.js";
import { Indicator } from "../lib/indicator.js";
import { elapsed, localizeTimes, part, patch, setText } from "../lib/show.js";
import { keepRunning, outside } from "../sync/live.js";
import { PageSync } from "../sync/page_sync.js";

const WITHIN = 15000; // ms

class WorkersPage {
  #root;
  #outcome = part(document, "outcome");
  #dialog = document.querySelector("#drain-dialog");
  #clock = pageClock();
  #indicator;
  #sync;
  #isBusy = false;

  constructor(root, indicator) {
    this.#root = root;
    const handlers = { onHtml: (html) => this.#show(html), onConnection: (state) => this.#indicator.show(state) };
    this.#sync = new PageSync({ url: "/workers/now", etag: root.dataset.etag, ...handlers }, outside(this.#clock));
    this.#indicator = new Indicator(indicator, this.#clock, this.#sync);
  }

  start() {
    localizeTimes(this.#root);
    this.#indicator.show("reconnecting");
    everySecond(() => this.#tick());
    document.addEventListener("submit", (event) => this.#submit(event));
    this.#dialog.addEventListener("click", (event) => {
      if (!event.target.closest("[data-close]")) return;
      event.preventDefault(); // without scripts it is a link back
      this.#dialog.close();
    });
    keepRunning(this.#sync);
  }

  #tick() {
    this.#indicator.tick();
    if (!this.#indicator.isCurrent) return;
    for (const node of this.#root.querySelectorAll("[data-since]")) {
      setText(node, elapsed({ started_at: node.dataset.since }, this.#clock.now()));
    }
  }

  #show(html) {
    const floor = new DOMParser().parseFromString(html, "text/html").querySelector("[data-floor]");
    const focused = document.activeElement;
    const wasWithin = this.#root.contains(focused);
    localizeTimes(floor);
    for (const name of ["sum", "none"]) patch(part(this.#root, name), part(floor, name));
    for (const name of ["workers", "queues"]) patchRows(part(this.#root, name), part(floor, name));
    this.#tick();
    // What had it is gone: it doesn't go to another button, which the next key would press
    if (wasWithin && (!focused.isConnected || !focused.checkVisibility())) this.#outcome.focus();
  }

  // What is asked for

  async #submit(event) {
    const form = event.target;
    const action = form.dataset.form;
    if (!action) return;
    event.preventDefault();
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#say("");
    try {
      if (action === "drain") await this.#ask(form);
      else await this.#send(form);
    } catch (error) {
      this.#dialog.close();
      this.#say(error.message, true);
    } finally {
      this.#isBusy = false;
      this.#sync.wake();
    }
  }

  /** Asks in a dialog, in the words of the page that asks without scripts. */
  async #ask(form) {
    const answer = await post(form.action);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const asked = part(page, "ask");
    if (!asked) throw new Error(part(page, "problem")?.textContent ?? `The server answered ${answer.status}.`);
    this.#dialog.replaceChildren(asked);
    this.#dialog.showModal();
  }

  async #send(form) {
    // Asked for by its own words: the API says in one sentence what was wrong
    const answer = await post(`/api${new URL(form.action).pathname}`);
    const body = await answer.json().catch(() => null);
    if (!answer.ok) throw new Error(body?.message ?? `The server answered ${answer.status}.`);
    this.#dialog.close();
    this.#say(form.dataset.said);
  }

  #say(text, isProblem = false) {
    setText(this.#outcome, text);
    this.#outcome.classList.toggle("is-problem", isProblem);
  }
}

async function post(url) {
  try {
    return await fetch(url, { method: "POST", signal: AbortSignal.timeout(WITHIN) });
  } catch {
    throw new Error("The server can't be reached. It is not known whether it was done; the page will show it.");
  }
}

const keyOf = ({ dataset }) => dataset.worker ?? dataset.queue;

/** Makes the rows of a list like newer ones; each stays the element that it is, with the focus that it may have. */
function patchRows(list, newer) {
  const present = new Map([...list.children].map((row) => [keyOf(row), row]));
  const wanted = [...newer.children];
  const keys = new Set(wanted.map(keyOf));
  for (const [key, row] of present) if (!keys.has(key)) row.remove();
  wanted.forEach((row, place) => {
    const found = present.get(keyOf(row));
    if (found) patch(found, row);
    const node = found ?? document.adoptNode(row);
    if (list.children[place] !== node) list.insertBefore(node, list.children[place] ?? null);
  });
}

new WorkersPage(document.querySelector("[data-floor]"), document.querySelector("[data-connection]")).start();
