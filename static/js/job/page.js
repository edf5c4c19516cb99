// The page of one job: shows what JobSync brings, in one pass, and never opens a connection itself.

import { offer, takeForms } from "./actions.js";
import { everySecond, pageClock } from "../lib/clock.js";
import { Indicator } from "../lib/indicator.js";
import { keepRunning, outside } from "../sync/live.js";
import { loaded } from "../lib/load.js";
import { Memory } from "../lib/memory.js";
import { progress } from "./progress.js";
import {
  elapsed,
  localizeTimes,
  part,
  setAttribute,
  setHidden,
  setText,
  showNote,
  showStatus,
  showTime,
} from "../lib/show.js";
import { TERMINAL, actions } from "../lib/status.js";
import { StepView } from "./step_view.js";
import { JobSync } from "../sync/sync.js";

const MOST_NEWS = 4; // changes told at once

class JobPage {
  #root;
  #clock = pageClock();
  #indicator;
  #sync;
  #memory;
  #steps = new Map(); // name → StepView
  #shown; // the structure
  #failures; // loaded when something fails
  #timeline; // loaded when it changes, or when somebody asks it for more than was served
  #graph; // of the steps, once it was opened
  #again; // names of steps that kept children of an earlier try
  #tellOfEnd = null;
  #isGone = false;

  constructor(root, indicator) {
    this.#root = root;
    const { jobId } = root.dataset;
    this.#memory = new Memory(jobId, () => localStorage);
    const handlers = {
      onStructure: (structure) => this.#show(structure),
      onFragment: (name, html) => this.#fragments[name](html),
      onConnection: (state) => this.#isGone || this.#indicator.show(state),
      onDeleted: (isReplaced) => this.#showDeleted(isReplaced),
    };
    const watch = (fragment) => this.#sync.watch(fragment, this.#shown);
    const lines = { pattern: document.querySelector("#line-pattern"), sync: () => this.#sync, watch };
    this.#shown = JSON.parse(root.dataset.served);
    for (const step of this.#shown.steps) {
      this.#steps.set(step.name, new StepView(document.getElementById(`step-${step.name}`), step, lines));
    }
    this.#again = new Set([...this.#steps.values()].filter((step) => step.isAgain).map((step) => step.name));
    this.#sync = new JobSync({ jobId, served: this.#shown, ...handlers }, outside(this.#clock));
    this.#indicator = new Indicator(indicator, this.#clock, this.#sync);
    takeForms(root, watch, (form, answer) => this.#afterAction(form, answer));
  }

  start() {
    localizeTimes(this.#root);
    this.#indicator.show("reconnecting");
    everySecond(() => this.#tick());
    this.#steps.forEach((step) => this.#begin(step));
    this.#awaitTimeline();
    part(this.#root, "notify").addEventListener("click", (event) => this.#askToNotify(event.target));
    this.#showEnd(this.#shown.status);
    this.#root.addEventListener("click", (event) => this.#follow(event));
    this.#addButtons();
    if (part(this.#root, "failures").firstElementChild) this.#showFailures(null); // as served
    addEventListener("hashchange", () => this.#goToHash());
    keepRunning(this.#sync);
    const graph = part(this.#root, "show-graph");
    if (graph?.ariaExpanded === "true") this.#showGraph(graph, true); // as served
    this.#goToHash();
  }

  #begin(step) {
    const toggle = (isOpen) => {
      this.#memory.set(step.name, isOpen);
      step.expand(isOpen);
    };
    if (step.isOpen === step.isExpanded) step.expand(this.#memory.get(step.name) ?? step.isExpanded);
    else toggle(step.isOpen); // by the viewer, before there were scripts
    if (step.showsChildren) step.showChildren(true); // as served
    step.onToggle(toggle);
  }

  /** Goes to a step or a line of this page without loading it anew, even by a link that does that without scripts. */
  #follow(event) {
    const link = event.target.closest("a[href*='#']");
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (link?.pathname !== location.pathname) return;
    event.preventDefault();
    if (link.dataset.part === "show-children") this.#steps.get(link.closest("[data-step]").dataset.step).showChildren();
    else if (link.dataset.part === "show-graph") this.#showGraph(link);
    else if (location.hash === link.hash) this.#goToHash();
    else location.hash = link.hash;
  }

  /** Opens the step of an address that ends in `#STEP:LINE`, at that line, or in `#step-STEP`. */
  #goToHash() {
    const [, name, step, line] = /^#(?:step-(.+)|(.+):([1-9][0-9]{0,14}))$/.exec(location.hash) ?? [];
    if (line) this.#steps.get(step)?.goTo(Number(line));
    else this.#steps.get(name)?.focus();
  }

  #tick() {
    if (this.#isGone) return;
    this.#indicator.tick();
    if (this.#indicator.isCurrent) this.#showNow();
  }

  /** Shows what time alone changes. */
  #showNow() {
    const now = this.#clock.now();
    const { share, words } = progress(this.#shown, now, this.#again);
    setText(part(this.#root, "elapsed"), elapsed(this.#shown, now) || "–");
    setText(part(this.#root, "progress"), words);
    setAttribute(part(this.#root, "share"), "width", `${share * 100}%`);
    for (const step of this.#steps.values()) step.tick(now);
    this.#timeline?.tick(now);
  }

  get #name() {
    return this.#root.querySelector("h1").textContent;
  }

  // What JobSync brings

  #show(structure) {
    this.#announce(structure);
    if (structure.status !== this.#shown.status) this.#offer(structure);
    this.#shown = structure;
    setAttribute(this.#root, "data-status", structure.status);
    setAttribute(this.#root, "data-revision", structure.revision);
    setAttribute(this.#root, "data-updated-at", structure.updated_at);
    showStatus(part(this.#root, "badge"), structure.status);
    showNote(part(this.#root, "error"), structure.error);
    showNote(part(this.#root, "waiting"), structure.waiting_for && `Waiting for ${structure.waiting_for}`);
    this.#showTimes(structure);
    for (const shown of structure.steps) {
      const step = this.#steps.get(shown.name);
      if (shown.status === "pending" && shown.children.completed) this.#again.add(shown.name);
      if (step.show(shown) && this.#memory.get(shown.name) === undefined) step.expand(true);
    }
    this.#failures?.count(structure);
    if (this.#timeline) this.#timeline.show(structure, this.#clock.now());
    else this.#loadTimeline();
    this.#graph?.show(structure);
    this.#showNow();
    this.#showTitle(structure.status);
    this.#showEnd(structure.status);
  }

  #offer({ status }) {
    offer(part(this.#root, "actions"), part(this.#root, "said"), status, actions(status));
  }

  /** Tells screen readers of changes of status, and of nothing else. */
  #announce({ status, steps }) {
    const news = steps
      .filter((step) => step.status !== this.#steps.get(step.name).shown.status)
      .map((step) => `${step.name} ${step.status}`);
    if (status !== this.#shown.status) news.push(`the job ${status}`);
    if (news.length === 0) return;
    setText(part(this.#root, "news"), news.slice(-MOST_NEWS).join(", ") + (news.length > MOST_NEWS ? " and more" : ""));
  }

  #showTimes({ started_at: started, finished_at: finished }) {
    showTime(part(this.#root, "started"), started);
    showTime(part(this.#root, "finished"), finished);
    setAttribute(part(this.#root, "overall"), "class", `overall is-${this.#shown.status}`);
  }

  /** Offers to tell of the end while there is one to wait for, and tells of it. */
  #showEnd(status) {
    const isOver = TERMINAL.has(status);
    setHidden(part(this.#root, "notify"), isOver || !("Notification" in window));
    if (isOver) this.#tellOfEnd?.(this.#name, status);
    if (isOver) this.#tellOfEnd = null;
  }

  async #askToNotify(button) {
    const { askToNotify } = await import("./notify.js");
    this.#tellOfEnd = await askToNotify(button, part(this.#root, "said"));
    this.#sync.awaitEnd();
    this.#showEnd(this.#shown.status);
  }

  #showTitle(status) {
    setAttribute(part(document, "favicon"), "href", `/static/favicons/${status}.svg`);
    document.title = `${this.#name} · ${status} · jobsync`;
  }

  #fragments = {
    result: (html) => this.#showResult(html),
    failures: (html) => this.#showFailures(html),
    // Made by the server as for the page itself: it escapes what it fills in
    receipt: (html) => (part(this.#root, "receipt").innerHTML = html),
  };

  #showResult(html) {
    // Made by the server as for the page itself: it escapes what it fills in
    part(this.#root, "result").innerHTML = html;
    this.#addButtons();
  }

  #addButtons() {
    if (part(this.#root, "result").querySelector("table, [data-copy]")) loaded(() => import("../lib/tables.js"));
  }

  async #showFailures(html) {
    const { Failures } = await loaded(() => import("./failures.js"));
    this.#failures ??= new Failures(
      part(this.#root, "failures"),
      new Map([...this.#steps].map(([name, step]) => [name, step.failedChildren])),
    );
    if (html === null) this.#failures.count(this.#shown);
    else this.#failures.show(html, this.#shown);
  }

  #awaitTimeline() {
    const node = part(this.#root, "timeline");
    const isAtRest = TERMINAL.has(this.#shown.status) && !node.querySelector(".is-long");
    if (!isAtRest) this.#loadTimeline();
    const load = () => this.#loadTimeline();
    for (const type of isAtRest ? ["pointerover", "focusin"] : []) node.addEventListener(type, load, { once: true });
  }

  async #loadTimeline() {
    const { Timeline } = await loaded(() => import("./timeline.js"));
    this.#timeline ??= new Timeline(part(this.#root, "timeline"));
    this.#timeline.show(this.#shown, this.#clock.now());
  }

  async #showGraph(link, isOpen = link.ariaExpanded !== "true") {
    const panel = part(this.#root, "graph-panel");
    setAttribute(link, "aria-expanded", isOpen);
    setHidden(panel, !isOpen);
    if (this.#graph || !isOpen) return;
    const { Graph } = await loaded(() => import("./graph.js"));
    const graph = new Graph();
    await loaded(() => graph.load(panel));
    this.#graph = graph;
    graph.show(this.#shown);
  }

  async #showDeleted(isReplaced) {
    this.#isGone = true;
    this.#steps.forEach((step) => step.keep());
    this.#indicator.hide();
    const { showDeleted } = await loaded(() => import("./deleted.js"));
    showDeleted(this.#root, isReplaced);
  }

  #afterAction({ dataset: { form: action } }, answer) {
    if (action === "rerun") location.assign(`/jobs/${encodeURIComponent(answer.id)}`);
    else if (action === "delete") this.#sync.end();
    else this.#sync.wake();
  }
}

new JobPage(document.querySelector("[data-job-id]"), document.querySelector("[data-connection]")).start();
