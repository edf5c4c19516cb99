// Which jobs of the list are selected: by their boxes, all on the page, a range with Shift, or all that match. Rows
// come, change and go; the selection is by id and stays.

import { number, part, setHidden, setText } from "../lib/show.js";
import { actions } from "../lib/status.js";

export class Selection {
  #list;
  #bar;
  #picked = new Map(); // id → the last status that was seen of it
  #isAll = false; // all that match, those of other pages too
  #anchor = null; // the id that a range begins at
  #isRange = false;

  /** list: the element of the list, as served. onAction(action, { ids, isAll }): a button was pressed. */
  constructor(list, onAction) {
    this.#list = list;
    this.#bar = part(list, "bulk");
    for (const box of this.#boxes) if (box.checked) this.#picked.set(box.value, null); // the browser has put it back
    this.#isAll = part(this.#bar, "pick-all").checked;
    this.#listen(onAction);
    this.show();
  }

  #listen(onAction) {
    const rows = part(this.#list, "rows");
    // A press of the label makes another click, of the box, that knows of no Shift
    rows.addEventListener("click", ({ target, shiftKey, detail }) => {
      if (target.closest(".row-pick") && detail > 0) this.#isRange = shiftKey;
    });
    rows.addEventListener("change", ({ target }) => {
      this.#pick(target.value, target.checked, this.#isRange);
      this.#isRange = false;
    });
    rows.addEventListener("mousedown", (event) => {
      if (event.shiftKey && event.target.closest(".row-pick")) event.preventDefault(); // it would select text
    });
    part(this.#list, "pick-page").addEventListener("change", ({ target }) => this.#pickPage(target.checked));
    part(this.#bar, "pick-all").addEventListener("change", ({ target }) => {
      this.#isAll = target.checked;
      if (!this.#isAll) this.#pickPage(true);
      this.show();
    });
    part(this.#bar, "pick-none").addEventListener("click", () => {
      this.clear();
      part(this.#list, "pick-page").focus(); // the button is gone
    });
    this.#bar.addEventListener("submit", (event) => {
      event.preventDefault();
      onAction(event.submitter.value, { ids: [...this.#picked.keys()], isAll: this.#isAll });
    });
    document.addEventListener("keydown", (event) => this.#press(event));
    new MutationObserver(() => this.show()).observe(rows, {
      childList: true,
      subtree: true,
      attributeFilter: ["data-status"],
    });
  }

  get #boxes() {
    return [...this.#list.querySelectorAll("[name='ids']")];
  }

  #press(event) {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const box = target.closest?.("[data-job-id]")?.querySelector("[name='ids']");
    if (!box) return;
    if (key === "x" || key === "X") this.#pick(box.value, key === "X" || !box.checked, key === "X");
    // It would press the first of the buttons
    else if (key === "Enter" && target === box) this.#bar.querySelector(".actions button:not([hidden])")?.focus();
    else return;
    event.preventDefault();
  }

  #pick(id, isPicked, isRange) {
    const ids = this.#boxes.map((box) => box.value);
    if (this.#isAll) for (const each of ids) this.#picked.set(each, null);
    this.#isAll = false;
    const [from, to] = [isRange ? ids.indexOf(this.#anchor) : -1, ids.indexOf(id)];
    const range = from === -1 ? [id] : ids.slice(Math.min(from, to), Math.max(from, to) + 1);
    for (const each of range) isPicked ? this.#picked.set(each, null) : this.#picked.delete(each);
    this.#anchor = id;
    this.show();
  }

  #pickPage(isPicked) {
    this.#isAll = false;
    for (const { value } of this.#boxes) isPicked ? this.#picked.set(value, null) : this.#picked.delete(value);
    this.show();
  }

  clear() {
    this.#isAll = false;
    this.#picked.clear();
    this.show();
  }

  /** Is told that a job was deleted. */
  forget(id) {
    if (this.#picked.delete(id)) this.show();
  }

  /** Brings boxes and words up to what is selected, as after any change of the list. */
  show() {
    const boxes = this.#boxes;
    let onPage = 0;
    for (const box of boxes) {
      const { jobId, status } = box.closest("[data-job-id]").dataset;
      if (status === "deleted") this.#picked.delete(jobId);
      const isPicked = this.#picked.has(jobId);
      if (isPicked) this.#picked.set(jobId, status);
      onPage += isPicked;
      box.checked = isPicked || (this.#isAll && status !== "deleted");
    }
    const page = part(this.#list, "pick-page");
    page.checked = this.#isAll || (onPage > 0 && onPage === boxes.length);
    page.indeterminate = !page.checked && onPage > 0;
    setHidden(part(this.#list, "pick"), boxes.length === 0);
    this.#showBar(onPage);
  }

  #showBar(onPage) {
    const total = part(document, "total").textContent; // of all that match
    const elsewhere = this.#picked.size - onPage;
    const words = this.#isAll ? `All ${total} selected` : `${number(this.#picked.size)} selected`;
    const others = elsewhere > 0 && !this.#isAll ? `, ${number(elsewhere)} not on this page` : "";
    setHidden(this.#bar, !this.#isAll && this.#picked.size === 0);
    setText(part(this.#bar, "matching"), total);
    setText(part(this.#bar, "picked"), words + others);
    part(this.#bar, "pick-all").checked = this.#isAll;
    setHidden(part(this.#bar, "pick-none"), false);
    const statuses = this.#isAll ? this.#statusesOfAll() : new Set(this.#picked.values());
    const allowed = new Set([...statuses].flatMap(actions));
    for (const button of this.#bar.querySelectorAll("[name='action']")) setHidden(button, !allowed.has(button.value));
  }

  /** Returns the statuses that those that match have. */
  #statusesOfAll() {
    const wanted = this.#list.dataset.statuses.split(",").filter(Boolean);
    const counts = [...part(document, "counts").querySelectorAll("[data-part]")].slice(1);
    const present = counts.filter((count) => count.textContent !== "0").map((count) => count.dataset.part);
    return new Set(wanted.length ? present.filter((status) => wanted.includes(status)) : present);
  }
}
