// The lines of one expanded step: fetched after the last one that is shown, at most one request in the air and one a
// second.

import { Request } from "../lib/request.js";

export const SPACING = 1000; // ms between two requests for the same step's lines
export const JUMP = 500; // lines; further behind than that, the latest are fetched and the page offers those between
const MOST = 1000; // lines of one request

/**
 * A source of lines: all lines of a step. job/level_lines.js has another. In its source each line has a place: 1, 2, 3.
 * Here that is its number.
 *
 * query: what is asked besides the place. countOf(step): how many lines there are, by `structure`.
 * place(page, query, near): gives the lines of a page their places, and returns how many lines there are by then.
 * near: the place of the line that `query` names.
 */
export const ALL_LINES = {
  query: {},
  countOf: ({ log_count: count }) => count,
  place(page) {
    for (const line of page.items) line.place = line.line;
    return page.log_count;
  },
};

export class LogFeed {
  #request;
  #read;
  #onLines;
  #source;
  #last;
  #place;
  #known;
  #isHinted = false;

  /**
   * read(query, signal): fetches a page of the step's lines (the API's query, without `step`).
   * onLines(lines, logCount): takes new lines with their places, ascending. They begin right after the last ones unless
   * the feed was too far behind.
   *
   * last: the number of the highest line that is shown, place: its place in the source. known: how many lines the
   * source is known to have.
   */
  constructor({ read, onLines, last, known, place = last, source = ALL_LINES }, outside) {
    this.#read = read;
    this.#onLines = onLines;
    this.#source = source;
    this.#last = last;
    this.#place = place;
    this.#known = known;
    this.#request = new Request(
      {
        send: (signal) => this.#send(signal),
        take: (page) => this.#take(page),
        isWanted: () => this.#isBehind(),
        spacing: SPACING,
      },
      outside,
    );
  }

  /** Fetches what is missing, if anything is. */
  start() {
    if (this.#isBehind()) this.#request.ask();
  }

  /** Is told of the step as `structure` has it. */
  grew(step) {
    this.#known = Math.max(this.#known, this.#source.countOf(step));
    this.start();
  }

  /**
   * Is told that there are new lines, but neither how many nor of which level: where that matters, `structure` tells.
   */
  hint() {
    this.#isHinted = this.#source === ALL_LINES;
    this.start();
  }

  stop() {
    this.#request.drop();
  }

  #isBehind() {
    return this.#isHinted || this.#known > this.#place;
  }

  async #send(signal) {
    this.#isHinted = false;
    const isFarBehind = this.#last === 0 || this.#known - this.#place > JUMP;
    const query = isFarBehind ? { limit: JUMP } : { after: this.#last, limit: MOST };
    const page = await this.#read({ ...this.#source.query, ...query }, signal);
    return { ...page, known: this.#source.place(page, query, this.#place) };
  }

  #take({ items, known, log_count: logCount }) {
    const lines = items.filter(({ place }) => place > this.#place);
    this.#known = Math.max(this.#known, known);
    if (lines.length === 0) return false;
    ({ line: this.#last, place: this.#place } = lines.at(-1));
    this.#onLines(lines, logCount);
    return true;
  }
}
