// Shows a step's lines: numbered, in order, none twice. While the viewer is at the end it holds the latest 500; while they read further
// up nothing moves under their eyes, and what isn't held can be had by a click.

import { Ranges } from "../lib/ranges.js";
import { part, plain, setHidden, setText, showTime } from "../lib/show.js";

export const LATEST = 500; // lines
const MOST = 2000; // lines in the document
const AROUND = 250; // lines on either side of one that is gone to
const AT_END = 24; // pixels from the end that still count as the end

export class LogView {
  #step;
  #read;
  #pattern;
  #box;
  #rows;
  #earlier;
  #later;
  #said;
  #lines = new Map(); // number → element
  #shown = new Ranges();
  #gaps = new Map(); // "after,before" → element
  #logCount = 0;
  #isFollowing = true;
  #isHeld = false; // no trimming to the latest: the viewer has asked for others
  #target = null; // the line to go to, until it is there
  #isAwaited = false; // there is no such line yet
  #listeners = new AbortController();

  /**
   * body: the step's part of the page, perhaps with lines as served. pattern: a <template> of one line.
   * read(query): resolves to a page of the step's lines as the API gives it.
   */
  constructor(body, { step, pattern, read, logCount }) {
    this.#step = step;
    this.#read = read;
    this.#pattern = pattern;
    this.#logCount = logCount;
    this.#box = part(body, "log");
    this.#rows = part(body, "rows");
    this.#earlier = part(body, "earlier");
    this.#later = part(body, "later");
    this.#said = part(body, "log-said");
    for (const row of this.#rows.children) this.#lines.set(Number(row.dataset.line), row);
    const numbers = [...this.#lines.keys()];
    if (numbers.length > 0) this.#shown.add(numbers.at(0), numbers.at(-1));
    if (numbers.length > 0 && numbers.at(-1) < logCount) this.#hold(); // the address asked for earlier ones
    const { signal } = this.#listeners;
    for (const name of ["scroll", "focusin"]) this.#box.addEventListener(name, () => this.#notePlace(), { signal, passive: true });
    this.#earlier.addEventListener("click", (event) => this.#onClick(event, () => this.showEarlier()), { signal });
    this.#later.addEventListener("click", (event) => this.#onClick(event, () => this.showLatest()), { signal });
    this.#change(() => {});
  }

  /** The highest line that is shown, 0 for none. */
  get last() {
    return this.#shown.last;
  }

  /** Takes new lines from the feed. */
  add(lines, logCount) {
    this.#logCount = Math.max(this.#logCount, logCount);
    this.#change(() => {
      this.#insert(lines);
      this.#trim();
    }, lines.length);
    if (this.#isAwaited && this.#logCount >= this.#target) this.goTo(this.#target);
  }

  /** Shows the lines before the first one. */
  showEarlier() {
    return this.#showMore({ before: this.#shown.first, limit: LATEST });
  }

  /** Goes to the end and follows it. */
  showLatest() {
    this.#isFollowing = true;
    this.#isHeld = false;
    this.#change(() => this.#trim());
    goToEnd(this.#box); // at once: until then an event of some earlier scrolling would say that the viewer is elsewhere
  }

  /** Goes to a line, fetching those around it. Says so when there is none yet, and goes there when it comes. Of two calls the later one counts. */
  async goTo(number) {
    this.#target = number;
    this.#isAwaited = false;
    this.#say("");
    const isThere = () => this.#shown.has(number);
    if (!isThere() && !(await this.#showMore({ after: Math.max(0, number - AROUND - 1), limit: 2 * AROUND }, number))) return;
    // A page of long lines may have ended before it came to that one
    if (!isThere() && number <= this.#logCount && !(await this.#showMore({ after: number - 1, limit: AROUND }, number))) return;
    const row = this.#lines.get(number);
    this.#isAwaited = !row;
    if (row) this.#mark(row);
    else this.#say(`There is no line ${number} yet.`);
  }

  #mark(row) {
    this.#target = null;
    this.#hold();
    for (const old of document.querySelectorAll(".is-target")) old.classList.remove("is-target"); // in whichever step
    row.classList.add("is-target");
    this.#box.scrollTop = row.offsetTop - this.#box.clientHeight / 3;
    row.scrollIntoView({ block: "nearest" });
  }

  /** Stops listening, and says nothing any more. */
  close() {
    this.#listeners.abort();
    setHidden(this.#earlier, true);
    setHidden(this.#later, true);
    this.#say("");
  }

  #onClick(event, action) {
    event.preventDefault();
    action();
  }

  /** Has the log follow its end while the viewer is there, unless a line has the focus, which could go away with it. */
  #notePlace() {
    this.#isFollowing = isAtEnd(this.#box) && !this.#rows.contains(document.activeElement);
    if (this.#isFollowing) this.#isHeld = false;
    setHidden(this.#later, this.#isFollowing);
  }

  #hold() {
    ending.delete(this.#box); // or where the end was would be taken for where it is
    this.#isFollowing = false;
    this.#isHeld = true;
  }

  /**
   * Fetches lines and shows them too. Where that makes too many, those around `target` are kept, by default around what is in view.
   * Returns whether they are shown: not when they can't be had, nor when the viewer has gone on to another target meanwhile.
   */
  async #showMore(query, target = null) {
    this.#say("");
    const isWanted = () => !this.#listeners.signal.aborted && (target === null || target === this.#target);
    try {
      const page = await this.#read(query);
      if (!isWanted()) return false;
      if (page.items.length > 0) this.#hold();
      this.#change(() => {
        this.#insert(page.items);
        this.#trim(target);
      });
      return true;
    } catch (error) {
      if (isWanted()) this.#say(`These lines could not be fetched: ${error.message}. Try again.`);
      return false;
    }
  }

  #say(text) {
    setText(this.#said, text);
  }

  // The document

  /** Changes the lines, by `growth` more at most, mends what stands between them, and leaves in view what was in view. */
  #change(action, growth = 0) {
    const anchor = this.#isFollowing ? null : this.#rowInView();
    const place = anchor ? anchor.offsetTop - this.#box.scrollTop : 0;
    const offerEarlier = () => setHidden(this.#earlier, this.#shown.first <= 1);
    const changeAll = () => {
      action();
      this.#mendGaps();
      setHidden(this.#later, this.#isFollowing);
      if (!this.#isFollowing) offerEarlier();
      else if (this.#earlier.hidden !== this.#shown.first <= 1) return offerEarlier;
    };
    if (this.#isFollowing) stayAtEnd(this.#box, this.#rows, changeAll, this.#lines.size + growth > LATEST, () => this.#isFollowing);
    else changeAll();
    if (anchor?.isConnected) this.#box.scrollTop = anchor.offsetTop - place;
  }

  /** Returns the first row that can be seen. */
  #rowInView() {
    const top = this.#box.scrollTop;
    const rows = this.#rows.children;
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].offsetTop + rows[middle].offsetHeight <= top) low = middle + 1;
      else high = middle;
    }
    return rows[low] ?? null;
  }

  #insert(lines) {
    for (const run of runsOf(lines.filter((line) => !this.#lines.has(line.line)))) this.#insertRun(run);
  }

  #insertRun(run) {
    const [first, last] = [run.at(0).line, run.at(-1).line];
    const next = this.#shown.all.find((range) => range[0] > first)?.[0];
    const rows = document.createDocumentFragment();
    for (const line of run) {
      const row = rowOf(line, this.#step, this.#pattern);
      this.#lines.set(line.line, row);
      rows.append(row);
    }
    this.#rows.insertBefore(rows, next === undefined ? null : this.#lines.get(next));
    this.#shown.add(first, last);
  }

  #trim(target = null) {
    const latest = [this.#shown.last - LATEST + 1, this.#shown.last];
    if (this.#isFollowing && !this.#isHeld) {
      this.#keep([latest]);
    } else if (this.#shown.size > MOST) {
      const middle = target ?? this.#numberInView();
      const reach = (MOST - LATEST) / 2;
      this.#keep([[middle - reach, middle + reach - 1], latest]);
    }
  }

  #numberInView() {
    const row = this.#rowInView();
    return Number(row?.dataset.line ?? row?.nextElementSibling?.dataset.line ?? this.#shown.last);
  }

  #keep(ranges) {
    const before = this.#shown.all;
    this.#shown.keep(ranges);
    for (const [first, last] of before) {
      for (let number = first; number <= last; number += 1) {
        if (this.#shown.has(number)) continue;
        this.#lines.get(number).remove();
        this.#lines.delete(number);
      }
    }
  }

  /** Puts a control wherever a number isn't followed by the next. */
  #mendGaps() {
    const ranges = this.#shown.all;
    const gaps = ranges.slice(1).map((range, place) => [ranges[place][1], range[0]]);
    for (const [name, gap] of this.#gaps) {
      if (gaps.some((wanted) => String(wanted) === name)) continue;
      gap.remove();
      this.#gaps.delete(name);
    }
    for (const [after, before] of gaps) if (!this.#gaps.has(String([after, before]))) this.#addGap(after, before);
  }

  #addGap(after, before) {
    const gap = document.createElement("li");
    const button = document.createElement("button");
    gap.className = "log-gap";
    button.type = "button";
    button.textContent = `Show lines from ${after + 1} on: ${before - after - 1} are left out here`;
    button.addEventListener("click", () => this.#showMore({ after, before, limit: LATEST }));
    gap.append(button);
    this.#rows.insertBefore(gap, this.#lines.get(before));
    this.#gaps.set(String([after, before]), gap);
  }
}

const ending = new Map(); // boxes that are scrolled to their ends in the next frame → isWanted()
const ends = new WeakMap(); // boxes → where their ends are; what has grown since doesn't count until it is scrolled to

function endOf(box) {
  if (!ending.has(box)) ends.set(box, box.scrollHeight);
  return ends.get(box) ?? box.scrollHeight;
}

/** Takes all lines out of the document. The end is where the box is scrolled to then, for whoever fills it again. */
export function empty(box, rows) {
  rows.replaceChildren();
  goToEnd(box);
}

function goToEnd(box) {
  ending.delete(box);
  box.scrollTop = endOf(box);
}

/** Scrolls a box to its end before the next painting, if that is still wanted: all boxes together, so that they are laid out once. */
function scrollToEnd(box, isWanted) {
  if (ending.size === 0) requestAnimationFrame(() => {
    for (const [each, isStillWanted] of ending) {
      if (isStillWanted()) goToEnd(each);
      else ending.delete(each);
    }
  });
  ending.set(box, isWanted);
}

/** Returns whether a box is scrolled to its end, but for what has come since the last frame: that is no one's scrolling up. */
export function isAtEnd(box) {
  return endOf(box) - box.scrollTop - box.clientHeight <= AT_END;
}

/**
 * Changes the rows of a box that is scrolled to its end, and scrolls there again if that `isWanted` still. isTrimmed: whether rows may go away
 * above; their height is kept until that is painted, and what `change()` returns to be done above waits as well: else the rows wouldn't be
 * scrolled but would move, which browsers count as unstable (CLS).
 */
export function stayAtEnd(box, rows, change, isTrimmed = true, isWanted = () => true) {
  const last = isTrimmed && rows.lastElementChild;
  const before = last?.offsetTop;
  const changeAbove = change();
  const gone = last?.isConnected ? before - last.offsetTop : 0;
  if (gone > 0) return pad(box, rows, gone, changeAbove);
  if (rows.lastElementChild) scrollToEnd(box, isWanted);
  if (changeAbove) changeLater(box, changeAbove);
}

async function pad(box, rows, height, changeAbove) {
  const before = parseFloat(rows.style.paddingTop) || 0;
  rows.style.paddingTop = `${before + height}px`;
  goToEnd(box);
  if (before > 0) return; // what is taken away soon takes this along
  await frames(2);
  shift(box, () => rows.removeAttribute("style"));
  if (changeAbove) await changeLater(box, changeAbove);
}

async function changeLater(box, change) {
  await frames(2); // the next one may still show what has changed now
  shift(box, change);
}

/** Changes what is above, and scrolls by as much as that grows or shrinks. */
function shift(box, change) {
  const { scrollTop, scrollHeight } = box;
  const end = endOf(box);
  change();
  const growth = box.scrollHeight - scrollHeight;
  box.scrollTop = scrollTop + growth;
  ends.set(box, end + growth);
}

async function frames(count) {
  for (let left = count; left > 0; left -= 1) await new Promise(requestAnimationFrame);
}

/** Makes the element of a line of a step from the pattern, a <template>. */
export function rowOf({ line, level, at, message }, step, pattern) {
  const row = pattern.content.firstElementChild.cloneNode(true);
  const [number, time, word, text] = row.children;
  row.id = `${step}:${line}`;
  row.dataset.line = line;
  row.dataset.level = level;
  number.href = `#${step}:${line}`;
  number.textContent = line;
  showTime(time, at);
  word.textContent = level;
  text.textContent = plain(message);
  return row;
}

/** Returns the lines in runs of numbers without a gap. */
function runsOf(lines) {
  const runs = [];
  for (const line of lines) {
    if (runs.at(-1)?.at(-1).line === line.line - 1) runs.at(-1).push(line);
    else runs.push([line]);
  }
  return runs;
}
