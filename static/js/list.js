// The list of jobs: shows what FeedSync brings. Rows are patched in place; new ones come from the list's own page.

import { everySecond, pageClock } from "./clock.js";
import { FeedSync } from "./feed_sync.js";
import { Indicator } from "./indicator.js";
import { keepRunning, outside } from "./live.js";
import { localizeTimes, part, patch, setAttribute, setHidden, setText, showNote, showStatus, took } from "./show.js";

const TERMINAL = new Set(["completed", "failed", "cancelled", "skipped"]);

class ListPage {
  #root;
  #indicator;
  #sync;

  constructor(root, indicator) {
    this.#root = root;
    const served = {
      jobs: this.#rows.map(jobOf),
      url: location.pathname + location.search,
      etag: root.dataset.etag,
      statuses: root.dataset.statuses.split(",").filter(Boolean),
    };
    const handlers = {
      onPage: (html, deleted) => this.#showPage(html, deleted),
      onStructure: (structure) => this.#showJob(structure),
      onDeleted: (jobId) => this.#rowOf(jobId)?.remove(),
      onConnection: (state) => this.#indicator.show(state),
    };
    const serverClock = pageClock();
    this.#sync = new FeedSync({ ...served, ...handlers }, outside(serverClock));
    this.#indicator = new Indicator(indicator, serverClock, this.#sync);
  }

  start() {
    localizeTimes(this.#root);
    this.#indicator.show("reconnecting");
    everySecond(() => this.#indicator.tick());
    keepRunning(this.#sync);
  }

  get #rows() {
    return [...this.#root.querySelectorAll("[data-job-id]")];
  }

  #rowOf(jobId) {
    return this.#rows.find((row) => row.dataset.jobId === jobId);
  }

  /**
   * Takes over another page of the list. A row stays as it is where it is newer than the page, and where nothing has changed. A page of an
   * earlier change than the last one is of another database: nothing stays.
   */
  #showPage(html, deleted) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const list = page.querySelector("[data-list]");
    localizeTimes(list);
    const isOlder = Number(list.dataset.change) < Number(this.#root.dataset.change);
    const present = new Map(isOlder ? [] : this.#rows.map((row) => [row.dataset.jobId, row]));
    const wanted = [...list.querySelectorAll("[data-job-id]")].filter((row) => isOlder || !deleted.has(row.dataset.jobId));
    placeAll(part(this.#root, "rows"), wanted.map((row) => newest(present.get(row.dataset.jobId), row)));
    for (const name of ["empty", "pager"]) patch(part(this.#root, name), part(list, name));
    setText(part(document, "total"), part(page, "total").textContent);
    setAttribute(this.#root, "data-change", list.dataset.change);
    return { jobs: this.#rows.map(jobOf), isOlder };
  }

  #showJob(structure) {
    const row = this.#rowOf(structure.job_id);
    if (!row) return;
    setAttribute(row, "data-status", structure.status);
    setAttribute(row, "data-revision", structure.revision);
    showStatus(part(row, "badge"), structure.status);
    showNote(part(row, "error"), structure.error);
    for (const step of structure.steps) {
      const segment = row.querySelector(`[data-segment="${CSS.escape(step.name)}"]`);
      showStatus(segment, step.status, part(segment, "word"));
      setAttribute(segment, "title", `${step.name}: ${step.status}`);
    }
    const ended = structure.steps.filter((step) => TERMINAL.has(step.status)).length;
    setText(part(row, "steps"), `${ended} of ${structure.steps.length} steps`);
    setText(part(row, "took"), took(structure.started_at, structure.finished_at));
  }
}

function jobOf(row) {
  const segments = [...row.querySelectorAll("[data-segment]")];
  const steps = Object.fromEntries(segments.map((segment) => [segment.dataset.segment, part(segment, "word").textContent]));
  return { id: row.dataset.jobId, revision: Number(row.dataset.revision), status: row.dataset.status, steps };
}

/** Returns the row that is present, brought up to the served one if that is newer, or the served one where there is none. */
function newest(present, served) {
  if (!present) return document.adoptNode(served);
  if (Number(served.dataset.revision) > Number(present.dataset.revision)) patch(present, served);
  return present;
}

/** Makes `nodes` the children of `list`, moving only those that aren't in their place. */
function placeAll(list, nodes) {
  const wanted = new Set(nodes);
  for (const node of [...list.children]) if (!wanted.has(node)) node.remove();
  nodes.forEach((node, place) => {
    if (list.children[place] !== node) list.insertBefore(node, list.children[place] ?? null);
  });
}

const list = new ListPage(document.querySelector("[data-list]"), document.querySelector("[data-connection]"));
list.start();
