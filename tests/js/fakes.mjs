// A clock and a network of the tests' own: nothing happens by itself, so every interleaving can be told step by step.

/** Lets all promises that can go on do so. */
export async function settle() {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

export class FakeClock {
  #now = 0;
  #number = 0;
  #timers = new Map();

  now = () => this.#now;

  setTimeout = (action, ms) => {
    this.#number += 1;
    this.#timers.set(this.#number, { at: this.#now + Math.max(0, ms), action });
    return this.#number;
  };

  clearTimeout = (timer) => {
    this.#timers.delete(timer);
  };

  get waiting() {
    return this.#timers.size;
  }

  async advance(ms) {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const [timer] = [...this.#timers].filter(([, { at }]) => at <= end).sort(([one, a], [other, b]) => a.at - b.at || one - other);
      if (!timer) break;
      this.#now = timer[1].at;
      this.#timers.delete(timer[0]);
      timer[1].action();
      await settle();
    }
    this.#now = end;
  }
}

class FakeRequest {
  constructor(url, { headers = {}, signal }, clock) {
    Object.assign(this, { url, headers, at: clock.now(), isOver: false });
    this.promise = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    signal?.addEventListener("abort", () => {
      this.isOver = true;
      this.reject(new Error("aborted"));
    });
  }

  /** Answers with a status and a body (an object or text). */
  async answer(status, body = null, etag = null) {
    this.isOver = true;
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const headers = { get: (name) => (name.toLowerCase() === "etag" ? etag : null) };
    this.resolve({ status, headers, json: async () => JSON.parse(text), text: async () => text });
    await settle();
  }

  async fail() {
    this.isOver = true;
    this.reject(new Error("no network"));
    await settle();
  }
}

export class FakeSocket {
  #handlers = new Map();

  constructor(transports) {
    this.transports = transports;
    this.sent = [];
    this.isClosed = false;
  }

  on(event, handler) {
    this.#handlers.set(event, handler);
  }

  off() {
    this.#handlers.clear();
  }

  disconnect() {
    this.isClosed = true;
  }

  emit(event, payload, ack) {
    this.sent.push({ event, payload, ack });
  }

  /** Has the server's side say something. */
  async hear(event, payload) {
    this.#handlers.get(event)?.(payload);
    await settle();
  }

  /** Acks the last message that has that payload. */
  async ack(payload, answer) {
    const sent = this.sent.findLast((message) => JSON.stringify(message.payload) === JSON.stringify(payload));
    sent.ack(answer);
    await settle();
  }

  subscriptions() {
    return this.sent.filter(({ event }) => event === "subscribe").map(({ payload }) => payload);
  }
}

/** The outside of a sync, as `outside()` in live.js gives the real one, with what tests need to look at and to steer. */
export class FakeWorld {
  constructor({ random = () => 0.5 } = {}) {
    this.clock = new FakeClock();
    this.requests = [];
    this.sockets = [];
    this.online = true;
    this.outside = {
      clock: this.clock,
      random,
      isOnline: () => this.online,
      noteDate: () => {},
      connect: (transports) => {
        this.sockets.push(new FakeSocket(transports));
        return this.socket;
      },
      fetch: (url, options) => {
        const request = new FakeRequest(url, options, this.clock);
        this.requests.push(request);
        return request.promise;
      },
    };
  }

  get socket() {
    return this.sockets.at(-1);
  }

  get request() {
    return this.requests.at(-1);
  }

  /** Returns the requests that nobody has answered or given up, of those whose address contains `part`. */
  inAir(part = "") {
    return this.requests.filter((request) => !request.isOver && request.url.includes(part));
  }
}

const STEP = { name: "build", status: "running", log_count: 0, child_count: 0, children: {}, levels: {}, error: null, started_at: null, finished_at: null };

/** Returns a `structure` of job "j" with one step. */
export function structure(revision, { status = "running", step = {}, ...others } = {}) {
  const times = { updated_at: "2026-11-22T13:00:00.000Z", started_at: "2026-11-22T13:00:00.000Z", finished_at: null };
  return { job_id: "j", status, revision, error: null, ...times, steps: [{ ...STEP, ...step }], ...others };
}

/** Returns a hint about job "j". */
export function hint(revision, others = {}) {
  return { context: "job", job_id: "j", status: "running", refresh_logs: false, revision, ...others };
}
