// The last lines of a step of one level and above: fetched anew when there are more of them. Loaded only when somebody asks for a level.

import { Request } from "../lib/request.js";

const SPACING = 1000; // ms between two requests for the same step's lines
const MOST = 500; // lines
const LEVELS = ["debug", "info", "warning", "error"];

/** Returns how many lines there are of a level or above. levels: as in `structure`. */
export function atLeast(level, levels) {
  return LEVELS.slice(LEVELS.indexOf(level)).reduce((sum, name) => sum + levels[name], 0);
}

export class LevelFeed {
  #request;
  #level;
  #known = Infinity; // until the first answer
  #shown = -1;

  /** read: as LogFeed's. onLines(lines, logCount): takes all that are to be shown. */
  constructor({ read, level, onLines }, outside) {
    this.#level = level;
    const send = (signal) => read({ level, limit: MOST }, signal);
    const take = (page) => {
      const isNews = page.total > this.#shown;
      this.#shown = page.total;
      if (this.#known === Infinity) this.#known = page.total;
      onLines(page.items, page.log_count);
      return isNews;
    };
    this.#request = new Request({ send, take, isWanted: () => this.#known > this.#shown, spacing: SPACING }, outside);
  }

  start() {
    if (this.#known > this.#shown) this.#request.ask();
  }

  /** Is told how many lines there are, of each level too. */
  grew(_, levels) {
    this.#known = atLeast(this.#level, levels);
    this.start();
  }

  /** New lines alone say nothing of their levels: `structure` will. */
  hint() {}

  stop() {
    this.#request.drop();
  }
}
