// The page's time: its timers and clocks, which go on only when `advance` says so. All of these scripts run in one scope, before the
// page's own.

const EPOCH = Date.UTC(2026, 10, 22, 8);
const MOST_TURNS = 100_000;
const real = { setTimeout: window.setTimeout.bind(window) };
const { port1: near, port2: far } = new MessageChannel();
const waiting = []; // for the next turn of the browser's own loop
let inTheAir = 0; // requests and frames that haven't arrived

near.onmessage = () => waiting.shift()();

/** Resolves in a task of its own, as what comes from outside does. */
function turn() {
  return new Promise((resolve) => {
    waiting.push(resolve);
    far.postMessage(null);
  });
}

/** Resolves when all that was asked for has arrived and been used. */
async function settled() {
  let turns = 0;
  do {
    await turn();
    turns += 1;
    if (turns > MOST_TURNS) throw new Error(`${inTheAir} answers never arrived`);
  } while (inTheAir > 0);
}

class Time {
  #now = 0; // ms
  #number = 0;
  #timers = new Map(); // number → { at, every, action }

  get now() {
    return this.#now;
  }

  /** The number of timers that are still to fire. */
  get pending() {
    return this.#timers.size;
  }

  /** Calls `action` in so many ms, and with `every` again and again. Returns the timer's number. */
  set(action, ms = 0, every = null) {
    this.#number += 1;
    this.#timers.set(this.#number, { at: this.#now + Math.max(1, ms), every, action });
    return this.#number;
  }

  clear(number) {
    this.#timers.delete(number);
  }

  /** Lets so many ms pass, with what falls due in them and what comes of that. */
  async advance(ms) {
    const end = this.#now + ms;
    for (let due = this.#due(end); due !== null; due = this.#due(end)) {
      this.#fire(due);
      await settled();
    }
    this.#now = end;
  }

  /** Returns the number of the first timer until `end`, null for none. */
  #due(end) {
    let [first, at] = [null, end];
    for (const [number, timer] of this.#timers) {
      if (timer.at < at || (timer.at === at && first === null)) [first, at] = [number, timer.at];
    }
    return first;
  }

  #fire(number) {
    const timer = this.#timers.get(number);
    this.#now = Math.max(this.#now, timer.at);
    if (timer.every === null) this.#timers.delete(number);
    else timer.at += timer.every;
    timer.action();
  }
}

const time = new Time();
window.setTimeout = (action, ms, ...given) => time.set(() => action(...given), ms);
window.setInterval = (action, ms, ...given) => time.set(() => action(...given), ms, Math.max(1, ms));
window.clearTimeout = window.clearInterval = (number) => time.clear(number);
performance.now = () => time.now;
Date.now = () => EPOCH + time.now;

/** Returns the time as the API writes it. */
function stamp() {
  return new Date(Date.now()).toISOString();
}
