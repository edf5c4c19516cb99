// The page of one job: shows what JobSync brings, in one pass, and never opens a connection itself.

import { Actions } from "./actions.js";
import { everySecond, pageClock } from "./clock.js";
import { Indicator } from "./indicator.js";
import { keepRunning, outside } from "./live.js";
import { Memory } from "./memory.js";
import { localizeTimes, part, setAttribute, setHidden, setText, showNote, showStatus, showTime, took } from "./show.js";
import { StepView } from "./step_view.js";
import { JobSync } from "./sync.js";

class JobPage {
  #root;
  #clock = pageClock();
  #indicator;
  #sync;
  #memory;
  #actions;
  #steps = new Map(); // name → StepView
  #isGone = false;

  constructor(root, indicator) {
    this.#root = root;
    const { jobId, revision } = root.dataset;
    this.#memory = new Memory(jobId, () => localStorage);
    const served = { jobId, revision: Number(revision), finishedAt: part(root, "finished").getAttribute("datetime") };
    const handlers = {
      onStructure: (structure) => this.#show(structure),
      onResult: (html) => this.#showResult(html),
      onConnection: (state) => this.#isGone || this.#indicator.show(state),
      onDeleted: (isReplaced) => this.#showDeleted(isReplaced),
    };
    this.#sync = new JobSync({ ...served, ...handlers }, outside(this.#clock));
    this.#indicator = new Indicator(indicator, this.#clock, this.#sync);
    this.#actions = new Actions({
      jobId,
      forms: root.querySelectorAll("form[data-form]"),
      said: part(root, "said"),
      dialog: document.querySelector("#delete-dialog"),
      onDone: (action, answer) => this.#afterAction(action, answer),
    });
  }

  start() {
    localizeTimes(this.#root);
    this.#indicator.show("reconnecting");
    everySecond(() => this.#tick());
    const pattern = document.querySelector("#line-pattern");
    for (const node of this.#root.querySelectorAll("[data-step]")) this.#addStep(new StepView(node, { pattern, sync: this.#sync }));
    addEventListener("hashchange", () => this.#goToHash());
    keepRunning(this.#sync);
    this.#goToHash();
  }

  #addStep(step) {
    this.#steps.set(step.name, step);
    step.expand(this.#memory.get(step.name) ?? step.isExpanded);
    step.onToggle((isOpen) => {
      this.#memory.set(step.name, isOpen);
      step.expand(isOpen);
    });
  }

  /** Opens the step of an address that ends in `#STEP:LINE`, at that line. */
  #goToHash() {
    const match = /^#(.+):([1-9][0-9]{0,14})$/.exec(location.hash);
    const step = match && this.#steps.get(match[1]);
    if (step) step.goTo(Number(match[2]));
  }

  #tick() {
    if (!this.#isGone) this.#indicator.tick();
  }

  // What JobSync brings

  #show(structure) {
    setAttribute(this.#root, "data-status", structure.status);
    setAttribute(this.#root, "data-revision", structure.revision);
    setAttribute(this.#root, "data-updated-at", structure.updated_at);
    showStatus(part(this.#root, "badge"), structure.status);
    showNote(part(this.#root, "error"), structure.error);
    this.#actions.show(structure.status);
    this.#showTimes(structure);
    for (const shown of structure.steps) {
      const step = this.#steps.get(shown.name);
      if (step.show(shown) && this.#memory.get(shown.name) === undefined) step.expand(true);
    }
    this.#showTitle(structure.status);
  }

  #showTimes({ started_at: started, finished_at: finished }) {
    for (const [name, value] of [["started", started], ["finished", finished]]) {
      showTime(part(this.#root, name), value);
      setHidden(this.#root.querySelector(`[data-if="${name}"]`), value === null);
    }
    setText(part(this.#root, "took"), took(started, finished));
    setHidden(this.#root.querySelector('[data-if="took"]'), !(started && finished));
  }

  #showTitle(status) {
    setAttribute(part(document, "favicon"), "href", `/static/favicons/${status}.svg`);
    document.title = `${this.#root.querySelector("h1").textContent} · ${status} · jobsync`;
  }

  #showResult(html) {
    part(this.#root, "result").innerHTML = html; // made by the server as for the page itself: it escapes what it fills in
  }

  #showDeleted(isReplaced) {
    this.#isGone = true;
    const note = part(this.#root, "deleted");
    const reason = isReplaced ? "The database was replaced by an older one: reload the page for what it says." : "This job was deleted.";
    setText(note, `${reason} What you see is the last that was known of it.`);
    setHidden(note, false);
    setHidden(part(this.#root, "actions"), true);
    this.#indicator.hide();
    this.#root.classList.add("is-deleted");
    setAttribute(part(document, "favicon"), "href", "/static/favicons/deleted.svg");
    document.title = `deleted · ${document.title}`;
  }

  #afterAction(action, answer) {
    if (action === "rerun") location.assign(`/jobs/${encodeURIComponent(answer.id)}`);
    else if (action === "delete") this.#sync.end();
    else this.#sync.wake();
  }
}

new JobPage(document.querySelector("[data-job-id]"), document.querySelector("[data-connection]")).start();
