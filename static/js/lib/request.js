// One thing that is asked for again and again: at most one request in the air, at most one waiting behind it.

export const TIME_OUT = 4000; // ms after which an answer isn't waited for any more
export const LONGEST_PAUSE = 3000; // ms between two tries
const FIRST_PAUSE = 250;
const RECENT = 1000; // ms: a request sent longer ago may have been lost while the machine slept

/** Returns the ms to wait after so many failures: growing, never the same for two viewers. */
export function pauseAfter(failures, random) {
  const most = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** failures);
  return most * (0.5 + 0.5 * random());
}

export class Request {
  #ask;
  #take;
  #isWanted;
  #onEnd;
  #clock;
  #random;
  #spacing;
  #flight = null;
  #timer = null;
  #again = null; // the spacing of the request that is to follow the one in the air, in ms
  #isDropped = false;
  #failures = 0;
  #sentAt = -Infinity;

  /**
   * send(signal): asks, and resolves to the answer, read whole; rejects where there is none.
   * take(answer): uses it; returns whether it brought anything new. isWanted(): says whether something newer is known
   * to be there. onEnd(ok): is told how each request ended. spacing: least ms from one sending to the next. outside:
   * its clock and random are used.
   */
  constructor({ send, take, isWanted = () => false, onEnd = () => {}, spacing = 0 }, { clock, random }) {
    this.#ask = send;
    this.#take = take;
    this.#isWanted = isWanted;
    this.#onEnd = onEnd;
    this.#spacing = spacing;
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * Asks, unless that is under way or about to be. What is under way is followed by another if it doesn't bring what is
   * wanted.
   */
  ask() {
    if (!this.#flight && this.#timer === null) this.#sendIn(this.#rest());
  }

  /** Asks so that the answer is of a moment after this call. */
  askAgain() {
    if (this.#flight) this.#again ??= this.#spacing;
    else this.ask();
  }

  /** The same without spacing; the pause after a failure is kept, or messages would hurry on a server that fails. */
  askNow() {
    const isPausing = this.#timer !== null && this.#failures > 0;
    if (!isPausing) this.#sendNow();
  }

  /** The same without a pause, and doesn't wait for an answer that may have been lost while the machine slept. */
  hurry() {
    if (this.#flight && this.#clock.now() - this.#sentAt >= RECENT) this.drop();
    this.#sendNow();
  }

  /** Forgets what is under way and what waits. */
  drop() {
    const flight = this.#flight;
    this.#flight = null;
    this.#again = null;
    this.#isDropped = true;
    this.#stopTimer();
    if (flight) this.#end(flight);
  }

  #rest(spacing = this.#spacing) {
    return Math.max(0, this.#sentAt + spacing - this.#clock.now());
  }

  #sendIn(ms) {
    if (ms === 0) {
      this.#send();
      return;
    }
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = null;
      this.#send();
    }, ms);
  }

  #sendNow() {
    if (this.#flight) {
      this.#again = 0;
      return;
    }
    this.#stopTimer();
    this.#send();
  }

  #stopTimer() {
    if (this.#timer !== null) this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
  }

  #send() {
    const flight = { controller: new AbortController(), timeOut: null };
    this.#flight = flight;
    this.#again = null;
    this.#sentAt = this.#clock.now();
    flight.timeOut = this.#clock.setTimeout(() => this.#fail(flight), TIME_OUT);
    this.#ask(flight.controller.signal).then(
      (answer) => this.#succeed(flight, answer),
      () => this.#fail(flight),
    );
  }

  #end(flight) {
    this.#clock.clearTimeout(flight.timeOut);
    flight.controller.abort();
  }

  /**
   * Returns whether the flight is still the one that counts, and ends it. A late answer of a dropped one is nobody's.
   */
  #land(flight) {
    if (flight !== this.#flight) return false;
    this.#flight = null;
    this.#end(flight);
    return true;
  }

  #fail(flight) {
    if (!this.#land(flight)) return;
    this.#isDropped = false;
    this.#onEnd(false);
    if (!this.#isDropped) this.#retry();
  }

  #succeed(flight, answer) {
    if (!this.#land(flight)) return;
    const again = this.#again;
    this.#again = null;
    this.#isDropped = false;
    this.#onEnd(true);
    const isNews = this.#take(answer);
    // Taking it has ended all, or made somebody ask
    if (this.#isDropped || this.#flight || this.#timer !== null) return;
    if (isNews || !this.#isWanted()) this.#failures = 0;
    if (again !== null) this.#sendIn(this.#rest(again));
    else if (this.#isWanted()) isNews ? this.#sendIn(this.#rest()) : this.#retry();
  }

  /**
   * Asks again after a pause. Who has waited for an answer in vain has paused long enough: with a long pause more it
   * would be over 5 s.
   */
  #retry() {
    if (this.#flight || this.#timer !== null) return;
    const hasWaited = this.#clock.now() - this.#sentAt >= TIME_OUT;
    const pause = pauseAfter(hasWaited ? 0 : this.#failures, this.#random);
    this.#failures += 1;
    this.#sendIn(Math.max(pause, this.#rest()));
  }
}

/** Returns the answer of a request as `{ status, etag, body }`. Rejects unless it is 200, 304 or 404. */
export async function read({ fetch, noteDate }, url, { signal, etag = null, as = "json" }) {
  const headers = etag ? { "If-None-Match": etag } : {};
  const response = await fetch(url, { headers, signal, cache: "no-store" });
  noteDate(response.headers.get("Date"));
  if (![200, 304, 404].includes(response.status)) throw new Error(`the server answered ${response.status}`);
  const body = response.status === 200 ? await response[as]() : null;
  return { status: response.status, etag: response.headers.get("ETag"), body };
}
