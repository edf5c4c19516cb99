// Says in words how the page is connected, and of when what it shows is.

import { clock, lasting, part, setAttribute, setHidden, setText } from "./show.js";

const WORDS = {
  live: "Live",
  polling: "No live updates: asking every 3 s",
  reconnecting: "Reconnecting",
  offline: "Offline",
};

/** Returns `12 s` or `3 min`, `2 h` for ms. */
const ago = (ms) => lasting(ms + 500, true).split(" ", 2).join(" ");

export class Indicator {
  #node;
  #serverClock;
  #sync;
  #state = "reconnecting";

  /**
   * node: as served. serverClock: a ServerClock. sync: what has `confirmedFor` (ms since the store was last known to
   * agree) and `revision`.
   */
  constructor(node, serverClock, sync) {
    this.#node = node;
    this.#serverClock = serverClock;
    this.#sync = sync;
  }

  /** Says whether what is shown may be taken for the present: only then may clocks run. */
  get isCurrent() {
    return this.#state === "live" || this.#state === "polling";
  }

  show(state) {
    this.#state = state;
    setAttribute(this.#node, "data-connection", state);
    document.documentElement.classList.toggle("is-current", this.isCurrent); // else nothing turns
    this.tick();
    setHidden(this.#node, false);
  }

  hide() {
    setHidden(this.#node, true);
  }

  /** Brings the words up to date: call it each second. Screen readers hear of states, not of seconds. */
  tick() {
    const { confirmedFor, revision } = this.#sync;
    const isKnown = Number.isFinite(confirmedFor);
    setText(
      part(this.#node, "connection"),
      isKnown || this.#state !== "reconnecting" ? WORDS[this.#state] : "Connecting",
    );
    setText(part(this.#node, "as-of"), this.isCurrent || !isKnown ? "" : `, as of ${ago(confirmedFor)} ago`);
    const at = isKnown
      ? `confirmed ${clock(new Date(this.#serverClock.now() - confirmedFor).toISOString())}`
      : "not confirmed yet";
    setAttribute(this.#node, "title", revision === undefined ? at : `Revision ${revision}, ${at}`);
  }
}
