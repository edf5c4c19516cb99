// The server's clock, as a page knows it: a wrong clock of the viewer's machine must not show.

const OFF_BY = 2000; // ms: a `Date` header names whole seconds, so less than that may be nothing
const TICK = 1000;

export class ServerClock {
  #offset; // ms from this page's stopwatch to the server's clock
  #stopwatch;

  /**
   * servedAt: the server's time in ms when it made the page, which began to arrive at `arrivedAt` ms of the page's
   * stopwatch.
   */
  constructor(servedAt, arrivedAt, stopwatch = () => performance.now()) {
    this.#offset = servedAt - arrivedAt;
    this.#stopwatch = stopwatch;
  }

  /** Returns the server's time in ms since 1970. */
  now() {
    return this.#stopwatch() + this.#offset;
  }

  /**
   * Compares with the `Date` header of an answer that has just come: the stopwatch stands still while the machine
   * sleeps.
   */
  note(date) {
    const told = Date.parse(date ?? "") + 500;
    if (Math.abs(told - this.now()) > OFF_BY) this.#offset = told - this.#stopwatch();
  }
}

/** Returns the clock of this page, by the time that the server wrote into it. */
export function pageClock() {
  const [navigation] = performance.getEntriesByType("navigation");
  return new ServerClock(Number(document.documentElement.dataset.now), navigation?.responseStart ?? 0);
}

/** Calls `action` once a second while the page can be seen. */
export function everySecond(action) {
  setInterval(() => document.hidden || action(), TICK);
}
