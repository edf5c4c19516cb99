// Keeps the list of jobs in step with the store: by the feed of all jobs, by the rooms of the shown jobs that may still
// change, and by asking for the list's own page when a hint names a job that it should show and doesn't, and for its
// numbers when a job's status changes. Like sync.js it never touches the page.

import { Connection, POLL_EVERY } from "./connection.js";
import { Request, read } from "../lib/request.js";
import { TERMINAL } from "../lib/status.js";

const FEED = "";
const GROWTH_SPACING = 1000; // ms between two looks at a job of which only counts have changed
const PAGE_SPACING = 500; // ms between two looks at the list
const COUNTS_SPACING = 1000; // ms between two looks at its numbers
const LOOK_EVERY = 15000; // ms: for what nobody is told of, such as another definition
const PING_EVERY = 2000; // ms: an empty list gets no hints, so it asks whether somebody is there
const MOST_REMEMBERED = 1000; // jobs that are known not to belong here

export class FeedSync {
  #statuses;
  #etag;
  #handlers;
  #outside;
  #connection;
  #page;
  #counts;
  #countsEtag = null;
  #countsTakenAt = -Infinity;
  #jobs = new Map(); // id → { revision, wanted, status, steps, etag, request }
  #elsewhere = new Map(); // id → the last status that was heard of it, of jobs that aren't shown
  #deleted = new Set();
  #change = null; // the change up to which the feed has told of them
  #confirmedAt = -Infinity;
  #isActive = false;
  #isResting = false;
  #timers = new Map();

  /**
   * jobs: what the page shows as served, [{ id, revision, status, steps: { name: status } }]. url, etag: of that page.
   * countsUrl: of its numbers. statuses: those it is limited to, [] for all. handlers: onPage(html, deleted,
   * isAfterCounts): another page, asked for after the last numbers had come or not; returns { jobs, isOlder }: the jobs
   * that are shown then, and whether the page is of an earlier change than what was known when it was asked for, so of
   * a database that was replaced.
   * onCounts({ change, counts, total }). onStructure(structure): of a shown job. onDeleted(jobId). onConnection(state).
   * outside: see `outside` in live.js.
   */
  constructor({ jobs, url, etag, countsUrl, statuses, ...handlers }, outside) {
    this.#etag = etag;
    this.#statuses = statuses;
    this.#handlers = handlers;
    this.#outside = outside;
    this.#connection = new Connection(
      {
        onAck: (room, ack, askedAt) => this.#takeAck(room, ack, askedAt),
        onHint: (hint) => this.#takeHint(hint),
        onState: handlers.onConnection,
        onSilence: () => this.#poll(),
      },
      outside,
    );
    this.#page = new Request(
      {
        send: async (signal) => {
          const askedAt = outside.clock.now();
          return { ...(await read(outside, url, { signal, etag: this.#etag, as: "text" })), askedAt };
        },
        take: (answer) => this.#takePage(answer),
        onEnd: (ok) => this.#connection.answered(ok),
        spacing: PAGE_SPACING,
      },
      outside,
    );
    this.#counts = new Request(
      {
        send: (signal) => read(outside, countsUrl, { signal, etag: this.#countsEtag }),
        take: (answer) => this.#takeCounts(answer),
        spacing: COUNTS_SPACING,
      },
      outside,
    );
    this.show(jobs);
  }

  start() {
    if (this.#isActive) return;
    this.#isActive = true;
    this.#connection.join(FEED);
    this.#connection.start();
    this.#repeat("look", LOOK_EVERY, () => this.#mayAsk && this.#page.ask());
    this.#repeat("ping", PING_EVERY, () => this.#jobs.size === 0 && this.#connection.ping(FEED));
  }

  /** Ends everything that is under way. `start` begins again. */
  stop() {
    this.#isActive = false;
    this.#connection.stop();
    this.#dropRequests();
    for (const name of [...this.#timers.keys()]) this.#stopTimer(name);
  }

  /** Looks at once, whatever is thought to be known. */
  wake() {
    if (!this.#mayAsk) return;
    this.#page.hurry();
    this.#connection.networkChanged();
    this.#connection.wake();
    this.#connection.ping(FEED);
  }

  /** Stays subscribed but fetches and shows nothing while `isResting`. */
  rest(isResting) {
    if (this.#isResting === isResting) return;
    this.#isResting = isResting;
    if (isResting) {
      this.#dropRequests();
    } else {
      this.wake();
      this.#poll(); // silence is told of once, and was perhaps told of a hidden list
    }
  }

  /** ms since the server was last heard of. */
  get confirmedFor() {
    return this.#outside.clock.now() - this.#confirmedAt;
  }

  networkChanged() {
    this.#connection.networkChanged();
  }

  get #mayAsk() {
    return this.#isActive && !this.#isResting;
  }

  #dropRequests() {
    this.#page.drop();
    this.#counts.drop();
    for (const job of this.#jobs.values()) job.request.drop();
    this.#stopTimer("poll");
  }

  // The jobs that are shown

  /** Is told which jobs the page shows now, as those of the constructor. */
  show(jobs) {
    const ids = new Set(jobs.map((job) => job.id));
    for (const id of [...this.#jobs.keys()]) if (!ids.has(id)) this.#remove(id);
    for (const { id, revision, status, steps } of jobs) {
      const job = this.#jobs.get(id) ?? this.#add(id);
      if (revision > job.revision) job.shownAt = this.#outside.clock.now();
      if (revision >= job.revision) Object.assign(job, { revision, status, steps });
      this.#elsewhere.delete(id);
      this.#follow(id, job);
    }
  }

  #add(id) {
    const job = { revision: 0, wanted: 0, shownAt: -Infinity, status: null, steps: {}, etag: null, request: null };
    const url = `/api/jobs/${encodeURIComponent(id)}/structure`;
    job.request = new Request(
      {
        send: (signal) => read(this.#outside, url, { signal, etag: job.etag }),
        take: (answer) => this.#takeStructure(id, job, answer),
        isWanted: () => job.wanted > job.revision,
        spacing: GROWTH_SPACING,
      },
      this.#outside,
    );
    this.#jobs.set(id, job);
    return job;
  }

  #remove(id) {
    this.#jobs.get(id).request.drop();
    this.#jobs.delete(id);
    this.#connection.leave(id);
  }

  /** Is in the rooms of those jobs that may still change by themselves; of the others the feed tells. */
  #follow(id, job) {
    if (TERMINAL.has(job.status)) this.#connection.leave(id);
    else this.#connection.join(id);
  }

  // What the server says

  #takeAck(room, ack, askedAt) {
    if (room !== FEED) {
      const job = this.#jobs.get(room);
      const isReplaced = job && ack.revision < job.revision && job.shownAt < askedAt; // see JobSync
      if (isReplaced) Object.assign(job, { revision: -1, wanted: -1, etag: null });
      if (job && ack.ok) this.#want(job, ack.revision, false);
      else if (job && this.#mayAsk) this.#page.askAgain();
      return;
    }
    if (!ack.ok) return;
    if (this.#jobs.size === 0) this.#connection.heard();
    if (this.#mayAsk) this.#page.askAgain(); // subscribed: what happened before that is on the page
  }

  #takeHint(hint) {
    this.#confirmedAt = this.#outside.clock.now();
    this.#stopTimer("poll");
    this.#noteChange(hint);
    const job = this.#jobs.get(hint.job_id);
    if (hint.status === "deleted") this.#forget(hint.job_id);
    else if (job) this.#want(job, hint.revision, this.#isNewStatus(job, hint));
    // A page has its numbers
    else if (this.#isNews(hint) && this.#mayAsk) (this.#mayBelong(hint) ? this.#page : this.#counts).askAgain();
  }

  /**
   * Looks at the list when the message of the feed before this one was lost: of a job that isn't shown, or of a
   * deletion, nothing else tells.
   */
  #noteChange({ change, since }) {
    if (!Number.isInteger(change)) return; // it isn't the feed's
    const isNext = since === this.#change;
    this.#change = change;
    if (!isNext && this.#mayAsk) this.#page.askAgain();
  }

  #isNewStatus(job, hint) {
    return (hint.context === "job_step" ? job.steps[hint.step_name] : job.status) !== hint.status;
  }

  #want(job, revision, isUrgent) {
    if (Number.isInteger(revision)) job.wanted = Math.max(job.wanted, revision);
    if (job.wanted <= job.revision || !this.#mayAsk) return;
    if (isUrgent) job.request.askNow();
    else job.request.ask();
  }

  /** Says whether that is a new status of a job that isn't shown. */
  #isNews({ job_id: id, status }) {
    if (typeof id !== "string" || this.#elsewhere.get(id) === status || this.#deleted.has(id)) return false;
    remember(this.#elsewhere, id, status);
    return true;
  }

  #mayBelong({ status }) {
    return this.#statuses.length === 0 || this.#statuses.includes(status);
  }

  #forget(id) {
    if (typeof id !== "string") return;
    this.#deleted.add(id);
    if (this.#deleted.size > MOST_REMEMBERED) this.#deleted.delete(this.#deleted.values().next().value);
    const isShown = this.#jobs.has(id);
    if (isShown) {
      this.#remove(id);
      this.#handlers.onDeleted(id);
    }
    if (this.#mayAsk) (isShown ? this.#page : this.#counts).askAgain();
  }

  #forgetAll() {
    for (const id of [...this.#jobs.keys()]) this.#remove(id);
    this.#deleted.clear();
    this.#elsewhere.clear();
  }

  #takeStructure(id, job, { status, etag, body }) {
    if (status === 404) {
      this.#forget(id);
      return true;
    }
    if (status === 304 || body.revision <= job.revision) return false;
    const steps = Object.fromEntries(body.steps.map((step) => [step.name, step.status]));
    const isNew = body.status !== job.status;
    const shownAt = this.#outside.clock.now();
    Object.assign(job, { revision: body.revision, shownAt, status: body.status, steps, etag });
    this.#handlers.onStructure(body);
    this.#follow(id, job);
    if (isNew) (this.#mayBelong(body) ? this.#counts : this.#page).askAgain();
    return true;
  }

  #takePage({ status, etag, body, askedAt }) {
    this.#confirmedAt = this.#outside.clock.now();
    if (status !== 200) return false;
    this.#etag = etag;
    const { jobs, isOlder } = this.#handlers.onPage(body, this.#deleted, this.#countsTakenAt < askedAt);
    if (isOlder) this.#forgetAll();
    this.show(jobs);
    return true;
  }

  #takeCounts({ status, etag, body }) {
    if (status !== 200) return false;
    this.#countsEtag = etag;
    this.#countsTakenAt = this.#outside.clock.now();
    this.#handlers.onCounts(body);
    return true;
  }

  // Time

  #poll() {
    this.#stopTimer("poll");
    if (!this.#connection.isSilent || !this.#mayAsk) return;
    this.#page.ask();
    this.#after("poll", POLL_EVERY * (0.9 + 0.1 * this.#outside.random()), () => this.#poll());
  }

  #repeat(name, ms, action) {
    this.#after(name, ms * (0.9 + 0.1 * this.#outside.random()), () => {
      this.#repeat(name, ms, action);
      action();
    });
  }

  #after(name, ms, action) {
    this.#timers.set(name, this.#outside.clock.setTimeout(action, ms));
  }

  #stopTimer(name) {
    if (this.#timers.has(name)) this.#outside.clock.clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

function remember(map, key, value) {
  map.delete(key);
  map.set(key, value);
  if (map.size > MOST_REMEMBERED) map.delete(map.keys().next().value);
}
