// The page's one socket: subscribing, noticing silence, connecting again, and saying truly how the page is connected.

import { pauseAfter } from "../lib/request.js";

export const LIVE_FOR = 4800; // ms that a hint proves the connection: a page must say within 5 s that it is cut off
// The ms that a closed connection gets to be open again: a page must say within 1 s that it isn't
export const REOPEN_WITHIN = 800;
export const OFFLINE_AFTER = 30000; // ms without hint or answer
export const SILENT_AFTER = 3500; // ms: the server gives a hint at least every 2 s, so by now one was lost
export const POLL_EVERY = 3000; // ms between two looks while hints don't come
const SILENT_SPREAD = 500; // ms: many viewers that are cut off at once don't ask at once
const ACK_WITHIN = 4000; // ms
const TICK = 250; // ms
const GIVE_UP_AFTER = 5000; // ms that a connection gets to bring its first hint or its next
const LONGEST_GIVE_UP = 10000; // ms that it gets after several of them
const SPREAD = 1500; // ms over which many viewers that lose one server at once come back to it
const TRANSPORTS = ["websocket", "polling"];

export class Connection {
  #onAck;
  #onHint;
  #onState;
  #onSilence;
  #connect;
  #isOnline;
  #clock;
  #random;
  #isActive = false;
  #socket = null;
  #isConnected = false;
  #closedAt = Infinity; // since when the connection that there was is closed
  #rooms = new Map(); // job id, "" for the feed → { askedAt, isAcked }
  #state = "reconnecting";
  #transports = TRANSPORTS;
  #failures = 0;
  #giveUpAfter = GIVE_UP_AFTER;
  #silentAfter = SILENT_AFTER;
  #isSilent = false;
  #heardAt = -Infinity; // the last hint
  #askedAt = -Infinity; // the last time that a socket was opened
  #startedAt = -Infinity;
  #answeredAt = -Infinity; // the last answer to a request
  #hasFailed = false; // the last request
  #tickTimer = null;
  #openTimer = null;

  /**
   * onAck(jobId, ack, askedAt), onHint(hint), onState(state): as they come. onSilence(): there is no hint where one
   * should have been; until `isSilent` is false again, ask otherwise. outside: see `outside` in live.js.
   */
  constructor({ onAck, onHint, onState, onSilence }, { connect, isOnline, clock, random }) {
    this.#onAck = onAck;
    this.#onHint = onHint;
    this.#onState = onState;
    this.#onSilence = onSilence;
    this.#connect = connect;
    this.#isOnline = isOnline;
    this.#clock = clock;
    this.#random = random;
  }

  get isSilent() {
    return this.#isSilent;
  }

  start() {
    if (this.#isActive) return;
    this.#isActive = true;
    this.#startedAt = this.#clock.now();
    this.#open();
    this.#tick();
  }

  stop() {
    this.#isActive = false;
    this.#isSilent = false;
    this.#close();
    for (const timer of [this.#tickTimer, this.#openTimer]) if (timer !== null) this.#clock.clearTimeout(timer);
    this.#tickTimer = this.#openTimer = null;
  }

  /** Subscribes to a job, or with "" to the feed, now and after each reconnection. */
  join(jobId) {
    if (this.#rooms.has(jobId)) return;
    this.#rooms.set(jobId, { askedAt: -Infinity, isAcked: false });
    if (this.#isConnected) this.#subscribe(jobId);
  }

  leave(jobId) {
    if (this.#rooms.delete(jobId) && this.#isConnected) this.#socket.emit("unsubscribe", payloadOf(jobId), () => {});
  }

  /** Subscribes again, which does no harm: the ack tells the revision. */
  ping(jobId) {
    if (this.#isConnected && this.#rooms.has(jobId)) this.#subscribe(jobId);
  }

  /** Notes that hints come, or what is as good as one. */
  heard() {
    const spread = SILENT_SPREAD * this.#random();
    this.#heardAt = this.#clock.now();
    this.#closedAt = Infinity;
    this.#failures = 0;
    this.#isSilent = false;
    this.#silentAfter = SILENT_AFTER + spread;
    this.#giveUpAfter = GIVE_UP_AFTER + spread;
    this.#showState();
  }

  /** Is told of each ended request: whether the server answered it. */
  answered(ok) {
    if (ok) this.#answeredAt = this.#clock.now();
    this.#hasFailed = !ok;
    this.#showState();
  }

  /** Looks again at what the browser says of the network. */
  networkChanged() {
    this.#showState();
  }

  /** Doesn't wait any longer before it connects again. */
  wake() {
    if (this.#openTimer === null) return;
    this.#clock.clearTimeout(this.#openTimer);
    this.#open();
  }

  // The socket

  #open() {
    this.#openTimer = null;
    this.#askedAt = this.#clock.now();
    const socket = this.#connect(this.#transports);
    this.#socket = socket;
    socket.on("connect", () => {
      this.#isConnected = true;
      this.#closedAt = Infinity;
      this.#showState();
      for (const jobId of this.#rooms.keys()) this.#subscribe(jobId);
    });
    socket.on("job_update", (hint) => this.#hear(hint));
    socket.on("disconnect", () => this.#reopen());
    socket.on("connect_error", () => this.#reopen());
  }

  #close() {
    const socket = this.#socket;
    this.#socket = null;
    if (this.#isConnected) this.#closedAt = this.#clock.now();
    this.#isConnected = false;
    for (const room of this.#rooms.values()) room.askedAt = -Infinity;
    if (!socket) return;
    socket.off();
    socket.disconnect();
  }

  /**
   * Has a connection that hung, or opened and brought nothing, be followed by one that tries the other transport first.
   */
  #switchTransport() {
    if (this.#heardAt < this.#askedAt) this.#transports = [...this.#transports].reverse();
  }

  /** Connects again after a pause. A refusal is no reason to switch the transport: the other was refused too. */
  #reopen() {
    if (this.#isConnected) this.#switchTransport();
    this.#close();
    const pause = this.#failures === 0 ? SPREAD * this.#random() : pauseAfter(this.#failures + 1, this.#random);
    this.#failures += 1;
    this.#openTimer = this.#clock.setTimeout(() => this.#open(), pause);
  }

  #subscribe(jobId) {
    const room = this.#rooms.get(jobId);
    const socket = this.#socket;
    const askedAt = this.#clock.now();
    room.askedAt = askedAt;
    room.isAcked = false;
    socket.emit("subscribe", payloadOf(jobId), (ack) => {
      if (socket !== this.#socket || this.#rooms.get(jobId) !== room) return;
      room.isAcked = true;
      this.#onAck(jobId, ack ?? { ok: false }, askedAt);
    });
  }

  #hear(hint) {
    if (!hint || typeof hint !== "object") return;
    this.heard();
    this.#onHint(hint);
  }

  // Silence

  #tick() {
    const now = this.#clock.now();
    // Reckoned as in #stateAt: times have fractions, and a look that comes a rounding error early would be followed by
    // one that is late
    const ends = [
      LIVE_FOR - (now - this.#heardAt),
      LIVE_FOR - (now - this.#answeredAt),
      REOPEN_WITHIN - (now - this.#closedAt),
    ];
    const left = ends.map(Math.ceil).filter((ms) => ms > 0);
    this.#tickTimer = this.#clock.setTimeout(() => this.#tick(), Math.min(TICK, ...left));
    const heardAt = Math.max(this.#heardAt, this.#startedAt);
    if (!this.#isSilent && now - heardAt >= this.#silentAfter) {
      this.#isSilent = true;
      this.#onSilence();
    }
    if (!this.#isActive) return;
    if (this.#socket && now - Math.max(heardAt, this.#askedAt) >= this.#giveUpAfter) this.#giveUp();
    this.#askUnacked(now);
    this.#showState();
  }

  #giveUp() {
    this.#giveUpAfter = Math.min(LONGEST_GIVE_UP, this.#giveUpAfter * 1.5) + SILENT_SPREAD * this.#random();
    this.#switchTransport();
    this.#close();
    this.#open();
  }

  #askUnacked(now) {
    if (!this.#isConnected) return;
    for (const [jobId, room] of this.#rooms) {
      if (!room.isAcked && now - room.askedAt >= ACK_WITHIN) this.#subscribe(jobId);
    }
  }

  #showState() {
    if (!this.#isActive) return;
    const state = this.#stateAt(this.#clock.now());
    if (state === this.#state) return;
    this.#state = state;
    this.#onState(state);
  }

  #stateAt(now) {
    if (!this.#isOnline()) return "offline";
    const isClosed = now - this.#closedAt >= REOPEN_WITHIN;
    if (now - this.#heardAt < LIVE_FOR && !isClosed) return "live";
    const lostAt = Math.min(Math.max(this.#heardAt, this.#startedAt) + SILENT_AFTER, this.#closedAt + REOPEN_WITHIN);
    const isAnswering = this.#answeredAt >= lostAt && now - this.#answeredAt < LIVE_FOR && !this.#hasFailed;
    if (isAnswering) return "polling";
    return now - Math.max(this.#heardAt, this.#answeredAt, this.#startedAt) < OFFLINE_AFTER
      ? "reconnecting"
      : "offline";
  }
}

function payloadOf(jobId) {
  return jobId === "" ? {} : { job_id: jobId };
}
