// The lines of one level and above, as a source of lines. Loaded when somebody asks for a level.

import { number } from "../lib/show.js";

const LEVELS = ["debug", "info", "warning", "error"];
const WORDS = {
  info: "Showing all but debug lines",
  warning: "Showing warnings and errors only",
  error: "Showing errors only",
};

/** See ALL_LINES of sync/log_feed.js. */
export class LevelLines {
  #level;

  /** level: the lowest one. */
  constructor(level) {
    this.#level = level;
    this.query = { level };
  }

  countOf({ levels }) {
    return LEVELS.slice(LEVELS.indexOf(this.#level)).reduce((sum, name) => sum + levels[name], 0);
  }

  /** What `after` or `before` names is next to the page; a page without them ends with the last line. */
  place({ items, total }, { after, before }, near) {
    const end = after !== undefined ? near + items.length : before !== undefined ? near - 1 : total;
    items.forEach((line, index) => (line.place = end - items.length + 1 + index));
    return total;
  }

  /** Says how many of a step's lines these are. */
  wordsOf(step) {
    return `${WORDS[this.#level]}: ${number(this.countOf(step))} of ${number(step.log_count)} lines.`;
  }
}
