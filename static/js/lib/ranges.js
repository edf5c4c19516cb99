// Which line numbers are shown: ascending ranges with gaps between them.

export class Ranges {
  #ranges = []; // [first, last], ascending, never touching

  get all() {
    return this.#ranges;
  }

  get size() {
    return this.#ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  }

  get first() {
    return this.#ranges.at(0)?.[0] ?? 0;
  }

  get last() {
    return this.#ranges.at(-1)?.[1] ?? 0;
  }

  has(number) {
    return this.#ranges.some(([first, last]) => first <= number && number <= last);
  }

  add(first, last) {
    const touching = this.#ranges.filter((range) => range[0] <= last + 1 && range[1] >= first - 1);
    const apart = this.#ranges.filter((range) => !touching.includes(range));
    const joined = [Math.min(first, ...touching.map((range) => range[0])), Math.max(last, ...touching.map((range) => range[1]))];
    this.#ranges = [...apart, joined].sort((one, other) => one[0] - other[0]);
  }

  /** Keeps only what is within one of `kept` ([first, last] each, any order). */
  keep(kept) {
    const old = this.#ranges;
    this.#ranges = [];
    for (const [first, last] of old) {
      for (const [from, to] of kept) if (Math.max(first, from) <= Math.min(last, to)) this.add(Math.max(first, from), Math.min(last, to));
    }
  }
}
