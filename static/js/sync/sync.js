// Keeps one job's page in step with the store: owns the socket, the revisions and the fetching, and never touches the
// page.
//
// A hint, an ack or a long silence says when to look; only an answer of `structure` is ever shown, and never one that
// is older than what is shown already. Everything from outside (network, clock, random numbers) is handed in, so this
// runs anywhere.

import { Connection, POLL_EVERY } from "./connection.js";
import { Fragment } from "./fragment.js";
import { LogFeed } from "./log_feed.js";
import { Request, read } from "../lib/request.js";
import { TERMINAL } from "../lib/status.js";

const RECEIPT = ["cancelled", "failed"];

// What the server renders for an open page, and by what it changes.
const FRAGMENTS = {
  result: { keyOf: ({ status, finished_at: finishedAt }) => (TERMINAL.has(status) ? finishedAt : "") },
  failures: { keyOf: failuresOf, spacing: 1000 },
  // Of a job that was cancelled or failed little else changes than its receipt
  receipt: { keyOf: ({ status, revision }) => (RECEIPT.includes(status) ? revision : ""), spacing: 1000 },
};

function failuresOf({ error, steps }) {
  const failed = steps.filter(({ status, children }) => status === "failed" || children.failed > 0);
  return failed
    .map((step) => [step.name, step.status, step.children.failed, step.started_at])
    .concat(error ?? [])
    .join();
}

export class JobSync {
  #jobId;
  #handlers;
  #outside;
  #connection;
  #structure;
  #fragments;
  #isAwaited = false;
  #logs = new Map(); // step → LogFeed
  #shown;
  #shownAt = -Infinity;
  #confirmedAt = -Infinity;
  #wanted;
  #etag = null;
  #isActive = false;
  #isGone = false;
  #isResting = false;
  #pollTimer = null;

  /**
   * jobId; served: the structure that the page shows as served. handlers: onStructure(structure): a newer one, to be
   * shown at once. onFragment(name, html): one of FRAGMENTS, as the structure that is shown asks for it; "" for
   * none. onConnection(state). onDeleted(isReplaced): the job is gone; nothing is asked any more. outside: see
   * `outside` in live.js.
   */
  constructor({ jobId, served, ...handlers }, outside) {
    this.#jobId = jobId;
    this.#shown = this.#wanted = served.revision;
    this.#handlers = handlers;
    this.#outside = outside;
    this.#connection = new Connection(
      {
        onAck: (_, ack, askedAt) => this.#takeAck(ack, askedAt),
        onHint: (hint) => this.#takeHint(hint),
        onState: handlers.onConnection,
        onSilence: () => this.#poll(),
      },
      outside,
    );
    this.#structure = new Request(
      {
        send: (signal) => this.#read(`${this.#url}/structure`, { signal, etag: this.#etag }),
        take: (answer) => this.#takeStructure(answer),
        isWanted: () => this.#wanted > this.#shown,
        onEnd: (ok) => this.#connection.answered(ok),
      },
      outside,
    );
    this.#fragments = Object.entries(FRAGMENTS).map(([name, kind]) => {
      const read = (signal) => this.#read(`/jobs/${encodeURIComponent(jobId)}/${name}`, { signal, as: "text" });
      return new Fragment({ ...kind, served, read, onHtml: (html) => handlers.onFragment(name, html) }, outside);
    });
  }

  get revision() {
    return this.#shown;
  }

  /** ms since the store was last known to have nothing newer than what is shown. */
  get confirmedFor() {
    return this.#outside.clock.now() - this.#confirmedAt;
  }

  #confirm() {
    this.#confirmedAt = this.#outside.clock.now();
  }

  get #url() {
    return `/api/jobs/${encodeURIComponent(this.#jobId)}`;
  }

  /** Subscribes first; the ack then says whether the page is behind. */
  start() {
    if (this.#isActive || this.#isGone) return;
    this.#isActive = true;
    this.#connection.join(this.#jobId);
    this.#connection.start();
    this.#startOthers();
  }

  /** Ends everything that is under way. `start` begins again. */
  stop() {
    this.#isActive = false;
    this.#connection.stop();
    this.#dropRequests();
  }

  /** Looks at once, whatever is thought to be known: the page was asleep, hidden or without a network. */
  wake() {
    if (!this.#isActive || this.#isResting) return;
    this.#structure.hurry();
    this.#connection.networkChanged();
    this.#connection.wake();
    this.#connection.ping(this.#jobId);
  }

  /** Stays subscribed but fetches and shows nothing while `isResting`. */
  rest(isResting) {
    if (this.#isResting === isResting) return;
    this.#isResting = isResting;
    if (!isResting) {
      this.wake();
      this.#poll();
      this.#startOthers();
    } else {
      this.#dropRequests();
    }
  }

  /** Is told that the job was deleted, or replaced by an older state of it: nothing is asked any more. */
  end(isReplaced = false) {
    if (this.#isGone) return;
    this.#isGone = true;
    this.stop();
    this.#logs.clear();
    this.#handlers.onDeleted(isReplaced);
  }

  /** Has the job's end be looked at even while the page rests: the viewer wants to be told of it. */
  awaitEnd() {
    this.#isAwaited = true;
  }

  networkChanged() {
    this.#connection.networkChanged();
  }

  // Log lines, of expanded steps only

  /** Begins to follow a step's lines; see LogFeed for what is passed. */
  follow(step, options) {
    this.unfollow(step);
    const read = (query, signal) => this.readLines(step, query, signal);
    const feed = new LogFeed({ read, ...options }, this.#outside);
    this.#logs.set(step, feed);
    if (this.#mayAsk) feed.start();
  }

  /**
   * Keeps a further part of the page current, by a Fragment of these options, or with `url` instead of `read`.
   * structure: the one that is shown. Returns `stop()`.
   */
  watch({ url, ...options }, structure) {
    const read = (signal, etag) => this.#read(url, { signal, etag, as: "text" });
    const fragment = new Fragment({ read, ...options }, this.#outside);
    this.#fragments.push(fragment);
    fragment.follow(structure, this.#mayAsk);
    return () => {
      fragment.drop();
      this.#fragments.splice(this.#fragments.indexOf(fragment), 1);
    };
  }

  #read(url, options) {
    return read(this.#outside, url, options);
  }

  // What is under way

  #startOthers() {
    if (!this.#mayAsk) return;
    for (const feed of this.#logs.values()) feed.start();
    for (const fragment of this.#fragments) fragment.start();
  }

  #dropRequests() {
    this.#structure.drop();
    for (const fragment of this.#fragments) fragment.drop();
    this.#stopPolling();
    for (const feed of this.#logs.values()) feed.stop();
  }

  unfollow(step) {
    this.#logs.get(step)?.stop();
    this.#logs.delete(step);
  }

  /** Fetches a page of a step's lines once, as the API gives it. Rejects when it can't. */
  async readLines(step, query, signal = AbortSignal.timeout(10_000)) {
    if (this.#isGone) throw new Error("the job was deleted");
    const parameters = new URLSearchParams({ step, ...query });
    const answer = await this.#read(`${this.#url}/logs?${parameters}`, { signal });
    if (answer.status !== 200) throw new Error("there are no such lines");
    return answer.body;
  }

  // What the server says

  get #mayAsk() {
    return this.#isActive && !this.#isResting;
  }

  /**
   * An ack is of a moment after it was asked for. One that is older than what was shown by then is of another past: a
   * restored backup.
   */
  #takeAck(ack, askedAt) {
    if (ack.ok && ack.revision < this.#shown && this.#shownAt < askedAt) this.end(true);
    else if (ack.ok) this.#want(ack.revision);
    else if (this.#mayAsk) this.#structure.askAgain(); // perhaps the job is gone: `structure` will say
  }

  #takeHint(hint) {
    if (hint.job_id !== this.#jobId) return;
    if (hint.status === "deleted") {
      this.end();
      return;
    }
    this.#stopPolling();
    this.#want(hint.revision);
    if (this.#isAwaited && this.#isResting && hint.context === "job" && TERMINAL.has(hint.status)) {
      if (this.#wanted > this.#shown) this.#structure.ask();
    }
    if (hint.context === "job_step" && hint.refresh_logs && this.#mayAsk) this.#logs.get(hint.step_name)?.hint();
  }

  #want(revision) {
    if (Number.isInteger(revision)) this.#wanted = Math.max(this.#wanted, revision);
    if (this.#wanted <= this.#shown) this.#confirm();
    else if (this.#mayAsk) this.#structure.ask();
  }

  /** Returns whether the answer brought a newer revision. */
  #takeStructure({ status, etag, body }) {
    if (status === 404) {
      this.end();
      return true;
    }
    if (status === 200 && body.revision < this.#shown) return false;
    this.#confirm();
    if (status === 304) return false;
    this.#etag = etag;
    if (body.revision === this.#shown) return false;
    this.#shown = body.revision;
    this.#shownAt = this.#outside.clock.now();
    this.#handlers.onStructure(body);
    for (const fragment of this.#fragments) fragment.follow(body, this.#mayAsk);
    for (const step of body.steps) this.#logs.get(step.name)?.grew(step);
    return true;
  }

  // While hints don't come

  /** Silence is told of once: who was hidden then, or hid since, begins here again when it is seen. */
  #poll() {
    this.#stopPolling();
    if (!this.#connection.isSilent || !this.#mayAsk) return;
    this.#structure.ask();
    this.#pollTimer = this.#outside.clock.setTimeout(
      () => this.#poll(),
      POLL_EVERY * (0.9 + 0.1 * this.#outside.random()),
    );
  }

  #stopPolling() {
    if (this.#pollTimer !== null) this.#outside.clock.clearTimeout(this.#pollTimer);
    this.#pollTimer = null;
  }
}
