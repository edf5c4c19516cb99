// Shows a step's lines from a source: all of them, or those of a level and above; see sync/log_feed.js. They are in
// order, none twice. While the viewer is at the end it holds the latest 500. While they read further up nothing moves
// under their eyes, and what isn't held can be had by a click.

import { rangesOf } from "../lib/ranges.js";
import { part, plain, setHidden, setText, showTime } from "../lib/show.js";
import { goToEnd, isAtEnd, leaveEnd, rowInView, stayAtEnd, stayInPlace } from "./scrolling.js";

export const LATEST = 500; // lines
const MOST = 2000; // lines in the document
const AROUND = 250; // lines on either side of one that is gone to

export class LogView {
  #source;
  #read;
  #rowOf; // makes the element of a line
  #box;
  #rows;
  #earlier;
  #later;
  #said;
  #lines = new Map(); // place in the source, ascending → element
  #gaps = new Map(); // "place before it,place after it" → element
  #logCount;
  #isFollowing = true;
  #isHeld = false; // no trimming to the latest: the viewer has asked for others
  #target = null; // the line to go to, until it is there
  #isAwaited = false; // there is no such line yet
  #listeners = new AbortController();

  /**
   * body: the step's part of the page, perhaps with lines as served. pattern: a <template> of one line.
   * read(query): resolves to a page of the step's lines as the API gives it.
   */
  constructor(body, { step, pattern, source, read, logCount }) {
    this.#source = source;
    this.#read = read;
    this.#rowOf = (line) => rowOf(line, step, pattern);
    this.#logCount = logCount;
    const find = (name) => part(body, name);
    [this.#box, this.#rows, this.#earlier, this.#later] = ["log", "rows", "earlier", "later"].map(find);
    this.#said = find("log-said");
    if (!source.query.level) this.#adopt(this.#rows.children);
    this.#listen(this.#box, "scroll", () => this.#notePlace());
    this.#listen(this.#box, "focusin", () => this.#notePlace());
    this.#listen(this.#earlier, "click", (event) => this.#showEarlier(event));
    this.#listen(this.#later, "click", (event) => this.showLatest(event));
    this.#change(() => {});
  }

  /**
   * Takes over the lines as served. Those of a level are replaced by the first that are fetched: their places aren't
   * known.
   */
  #adopt(rows) {
    for (const row of rows) this.#lines.set(Number(row.dataset.line), row);
    if (rows.length > 0 && this.#last < this.#logCount) this.#hold(); // the address asked for earlier ones
  }

  /** The last line that is shown, `{ last, place }`: its number and its place, 0 for none. */
  get last() {
    return { last: this.#numberAt(this.#last), place: this.#last };
  }

  get #first() {
    return this.#ranges[0]?.[0] ?? 0;
  }

  get #last() {
    return this.#ranges.at(-1)?.[1] ?? 0;
  }

  /** The places that are shown, in ranges without a gap. */
  get #ranges() {
    return rangesOf(this.#lines.keys());
  }

  #numberAt(place) {
    return Number(this.#lines.get(place)?.dataset.line ?? 0);
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

  #listen(node, type, action) {
    node.addEventListener(type, action, { signal: this.#listeners.signal });
  }

  #showEarlier(event) {
    event.preventDefault(); // it is a link for pages without scripts
    this.#showMore({ before: this.#numberAt(this.#first), limit: LATEST }, this.#first);
  }

  /** Goes to the end and follows it, perhaps since a link was pressed. */
  showLatest(event) {
    event?.preventDefault();
    this.#isFollowing = true;
    this.#isHeld = false;
    this.#change(() => this.#trim());
    goToEnd(this.#box); // at once: until then an event of some earlier scrolling would say that the viewer is elsewhere
  }

  /**
   * Goes to a line by its number, where all lines are shown, fetching those around it. Says so when there is none yet,
   * and goes there when it comes. Of two calls the later one counts.
   */
  async goTo(number) {
    this.#target = number;
    this.#isAwaited = false;
    this.#say("");
    const isThere = () => this.#lines.has(number);
    const show = (after, limit) => this.#showMore({ after, limit }, after, number);
    if (!isThere() && !(await show(Math.max(0, number - AROUND - 1), 2 * AROUND))) return;
    // A page of long lines may have ended before it came to that one
    if (!isThere() && number <= this.#logCount && !(await show(number - 1, AROUND))) return;
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

  /** Has the log follow its end while the viewer is there, unless a line has the focus, which could go away with it. */
  #notePlace() {
    this.#isFollowing = isAtEnd(this.#box) && !this.#rows.contains(document.activeElement);
    if (this.#isFollowing) this.#isHeld = false;
    setHidden(this.#later, this.#isFollowing);
  }

  #hold() {
    leaveEnd(this.#box);
    this.#isFollowing = false;
    this.#isHeld = true;
  }

  /**
   * Fetches lines and shows them too. near: the place of the line that the query names. Where that makes too many,
   * those around `target` are kept, by default around what is in view.
   * Returns whether they are shown: not when they can't be had, nor when the viewer has gone on to another target
   * meanwhile.
   */
  async #showMore(query, near, target = null) {
    this.#say("");
    const isWanted = () => !this.#listeners.signal.aborted && (target === null || target === this.#target);
    try {
      const page = await this.#read({ ...this.#source.query, ...query });
      if (!isWanted()) return false;
      this.#source.place(page, query, near);
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

  /**
   * Changes the lines, by `growth` more at most, mends what stands between them, and leaves in view what was in view.
   */
  #change(action, growth = 0) {
    const offerEarlier = () => setHidden(this.#earlier, this.#first <= 1);
    const changeAll = () => {
      action();
      this.#mendGaps();
      setHidden(this.#later, this.#isFollowing);
      if (!this.#isFollowing) offerEarlier();
      else if (this.#earlier.hidden !== this.#first <= 1) return offerEarlier;
    };
    if (!this.#isFollowing) stayInPlace(this.#box, this.#rows, changeAll);
    else stayAtEnd(this.#box, this.#rows, changeAll, this.#lines.size + growth > LATEST, () => this.#isFollowing);
  }

  #insert(lines) {
    if (this.#lines.size === 0) this.#rows.replaceChildren(); // as served, see #adopt
    const ranges = this.#ranges;
    for (const line of lines) {
      const { place } = line;
      if (this.#lines.has(place)) continue;
      const row = this.#rowOf(line);
      const next = ranges.find(([first]) => first > place)?.[0];
      this.#rows.insertBefore(row, this.#lines.get(next) ?? null);
      this.#lines.set(place, row);
    }
    this.#lines = new Map([...this.#lines].sort(([one], [other]) => one - other));
  }

  #trim(target = null) {
    const latest = this.#last - LATEST;
    if (this.#isFollowing && !this.#isHeld) {
      this.#keep((place) => place > latest);
    } else if (this.#lines.size > MOST) {
      const middle = target ?? this.#placeInView();
      const reach = (MOST - LATEST) / 2;
      this.#keep((place) => place > latest || (place >= middle - reach && place < middle + reach));
    }
  }

  #placeInView() {
    const row = rowInView(this.#box, this.#rows);
    const seen = [row, row?.nextElementSibling]; // the first may be a gap
    return [...this.#lines].find(([, each]) => seen.includes(each))?.[0] ?? this.#last;
  }

  /** Drops the other lines. */
  #keep(isKept) {
    for (const [place, row] of this.#lines) {
      if (isKept(place)) continue;
      row.remove();
      this.#lines.delete(place);
    }
  }

  /** Puts a control wherever a line isn't followed by the next of the source. */
  #mendGaps() {
    const ranges = this.#ranges;
    const gaps = ranges.slice(1).map((range, index) => [ranges[index][1], range[0]]);
    for (const [name, gap] of this.#gaps) {
      if (gaps.some((wanted) => String(wanted) === name)) continue;
      gap.remove();
      this.#gaps.delete(name);
    }
    for (const gap of gaps) if (!this.#gaps.has(String(gap))) this.#addGap(...gap);
  }

  #addGap(last, next) {
    const gap = document.createElement("li");
    const button = document.createElement("button");
    const [after, before] = [this.#numberAt(last), this.#numberAt(next)];
    gap.className = "log-gap";
    button.type = "button";
    button.textContent = `Show lines from ${after + 1} on: ${next - last - 1} are left out here`;
    button.addEventListener("click", () => this.#showMore({ after, before, limit: LATEST }, last));
    gap.append(button);
    this.#rows.insertBefore(gap, this.#lines.get(next));
    this.#gaps.set(String([last, next]), gap);
  }
}

/** Makes the element of a line of a step from the pattern, a <template>. */
function rowOf({ line, level, at, message, attempt }, step, pattern) {
  const row = pattern.content.firstElementChild.cloneNode(true);
  const [number, time, word, text] = row.children;
  row.id = `${step}:${line}`;
  row.dataset.line = line;
  row.dataset.level = level;
  if (attempt) row.dataset.attempt = attempt;
  number.href = `#${step}:${line}`;
  number.textContent = line;
  showTime(time, at);
  word.textContent = level;
  text.textContent = plain(message);
  return row;
}
