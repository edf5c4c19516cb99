// Shows the last lines of a step of one level and above, in the place of all of them. Loaded only when somebody asks for that.

import { LevelFeed, atLeast } from "../sync/level_feed.js";
import { isAtEnd, rowOf, stayAtEnd } from "./log_view.js";
import { number, part, setText } from "../lib/show.js";

const WORDS = { info: "Showing all but debug lines", warning: "Showing warnings and errors only", error: "Showing errors only" };

export class LevelView {
  #box;
  #rows;
  #make;
  #level;
  #said;
  #shown = new Map(); // number → element

  /** body: the step's part of the page, perhaps with lines as served. pattern: a <template> of one line. level: the lowest one shown. */
  constructor(body, { step, pattern, level }) {
    this.#level = level;
    this.#said = part(body, "level-words");
    this.#box = part(body, "log");
    this.#rows = part(body, "rows");
    this.#make = (line) => rowOf(line, step, pattern);
    for (const row of this.#rows.children) this.#shown.set(Number(row.dataset.line), row);
  }

  /** Shows these lines and no others, and leaves those alone that are there. A viewer at the end stays there. */
  add(lines) {
    if (isAtEnd(this.#box)) stayAtEnd(this.#box, this.#rows, () => void this.#replace(lines));
    else this.#box.scrollTop -= this.#replace(lines);
  }

  /** Returns the height of what went away. It goes last: an empty box would forget where it was scrolled to. */
  #replace(lines) {
    const wanted = new Set(lines.map(({ line }) => line));
    const gone = [...this.#shown].filter(([number]) => !wanted.has(number));
    const above = gone.reduce((height, [, row]) => height + row.offsetHeight, 0);
    for (const line of lines) {
      if (this.#shown.has(line.line)) continue;
      const row = this.#make(line);
      this.#shown.set(line.line, row);
      this.#rows.append(row);
    }
    for (const [number, row] of gone) {
      row.remove();
      this.#shown.delete(number);
    }
    return above;
  }

  /** Says how many of the step's lines these are. */
  count({ levels, log_count: total }) {
    setText(this.#said, `${WORDS[this.#level]}: ${number(atLeast(this.#level, levels))} of ${number(total)} lines.`);
  }

  /** Begins to follow the step by a JobSync. */
  follow(sync, step) {
    sync.follow(step, { level: this.#level, onLines: (lines) => this.add(lines) }, LevelFeed);
  }
}
