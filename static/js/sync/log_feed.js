// The lines of one expanded step: fetched after the last one that is shown, at most one request in the air and one a second.

import { Request } from "../lib/request.js";

export const SPACING = 1000; // ms between two requests for the same step's lines
export const JUMP = 500; // lines; further behind than that, the latest are fetched and the page offers those between
const MOST = 1000; // lines of one request

export class LogFeed {
  #request;
  #read;
  #onLines;
  #last;
  #known;
  #isHinted = false;

  /**
   * read(query, signal): fetches a page of the step's lines (the API's query, without `step`).
   * onLines(lines, logCount): takes new lines, ascending; they begin right after the last ones unless the feed was too far behind.
   * last: the highest line that is shown; known: the highest that is known to be there.
   */
  constructor({ read, onLines, last, known }, outside) {
    this.#read = read;
    this.#onLines = onLines;
    this.#last = last;
    this.#known = known;
    const send = (signal) => this.#send(signal);
    this.#request = new Request({ send, take: (page) => this.#take(page), isWanted: () => this.#isBehind(), spacing: SPACING }, outside);
  }

  /** Fetches what is missing, if anything is. */
  start() {
    if (this.#isBehind()) this.#request.ask();
  }

  /** Is told how many lines there are. */
  grew(logCount) {
    this.#known = Math.max(this.#known, logCount);
    this.start();
  }

  /** Is told that there are new lines, but not how many. */
  hint() {
    this.#isHinted = true;
    this.start();
  }

  stop() {
    this.#request.drop();
  }

  #isBehind() {
    return this.#isHinted || this.#known > this.#last;
  }

  #send(signal) {
    this.#isHinted = false;
    const isFarBehind = this.#last === 0 || this.#known - this.#last > JUMP;
    return this.#read(isFarBehind ? { limit: JUMP } : { after: this.#last, limit: MOST }, signal);
  }

  #take(page) {
    const lines = page.items.filter((line) => line.line > this.#last);
    this.#known = Math.max(this.#known, page.log_count);
    if (lines.length === 0) return false;
    this.#last = lines.at(-1).line;
    this.#onLines(lines, page.log_count);
    return true;
  }
}
