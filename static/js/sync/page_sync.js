// Keeps a part of a page in step with the server by asking for it again: when the feed of all jobs says that something
// has changed, and every few seconds, for what the feed doesn't tell, as heartbeats and memory. Never touches the page.

import { Connection, POLL_EVERY } from "./connection.js";
import { Request, read } from "../lib/request.js";

const FEED = "";
const LOOK_EVERY = 2000; // ms
const SPACING = 500; // ms between two looks

export class PageSync {
  #etag;
  #outside;
  #onHtml;
  #connection;
  #request;
  #hasHint = false;
  #confirmedAt = -Infinity;
  #isActive = false;
  #isResting = false;
  #timer = null;

  /**
   * url: of the part; etag: of what the page was served with. onHtml(html): a newer one. onConnection(state). outside:
   * see `outside` in live.js.
   */
  constructor({ url, etag, onHtml, onConnection }, outside) {
    this.#etag = etag;
    this.#outside = outside;
    this.#onHtml = onHtml;
    this.#connection = new Connection(
      {
        onAck: (_, ack) => this.#takeAck(ack),
        onHint: () => this.#takeHint(),
        onState: onConnection,
        onSilence: () => {}, // it asks all the time
      },
      outside,
    );
    this.#request = new Request(
      {
        send: (signal) => read(outside, url, { signal, etag: this.#etag, as: "text" }),
        take: (answer) => this.#take(answer),
        onEnd: (ok) => this.#connection.answered(ok),
        spacing: SPACING,
      },
      outside,
    );
  }

  start() {
    if (this.#isActive) return;
    this.#isActive = true;
    this.#connection.join(FEED);
    this.#connection.start();
    this.#lookLater();
  }

  /** Ends everything that is under way. `start` begins again. */
  stop() {
    this.#isActive = false;
    this.#connection.stop();
    this.#request.drop();
    this.#outside.clock.clearTimeout(this.#timer);
  }

  /** Looks at once, whatever is thought to be known. */
  wake() {
    if (!this.#mayAsk) return;
    this.#request.hurry();
    this.#connection.networkChanged();
    this.#connection.wake();
    this.#connection.ping(FEED);
  }

  /** Stays subscribed but asks for nothing while `isResting`. */
  rest(isResting) {
    if (this.#isResting === isResting) return;
    this.#isResting = isResting;
    if (isResting) this.#request.drop();
    else this.wake();
  }

  networkChanged() {
    this.#connection.networkChanged();
  }

  /** ms since what is shown was last known to be the present. */
  get confirmedFor() {
    return this.#outside.clock.now() - this.#confirmedAt;
  }

  get #mayAsk() {
    return this.#isActive && !this.#isResting;
  }

  #takeAck({ ok }) {
    if (!ok) return;
    if (!this.#hasHint) this.#connection.heard(); // without a job there are no hints
    if (this.#mayAsk && this.confirmedFor > LOOK_EVERY) this.#request.ask();
  }

  #takeHint() {
    this.#hasHint = true;
    if (this.#mayAsk) this.#request.askAgain();
  }

  #take({ status, etag, body }) {
    this.#confirmedAt = this.#outside.clock.now();
    if (status !== 200) return false;
    this.#etag = etag;
    this.#onHtml(body);
    return true;
  }

  #lookLater() {
    const pause = (this.#connection.isSilent ? POLL_EVERY : LOOK_EVERY) * (0.9 + 0.1 * this.#outside.random());
    this.#timer = this.#outside.clock.setTimeout(() => {
      this.#lookLater();
      if (!this.#mayAsk) return;
      if (!this.#hasHint) this.#connection.ping(FEED);
      this.#request.ask();
    }, pause);
  }
}
