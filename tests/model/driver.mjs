// Runs pages for the model: the real JobSync in the fake world of tests/js, told what to do and telling what it does, a line of JSON each.
//
// In:  [["new", page, options], ["advance", ms, [page, …]], …]   Out: [[page, its time, what happened, …], …] or {"error": stack}

import { createInterface } from "node:readline";

import { JobSync } from "../../static/js/sync/sync.js";
import { FakeSocket, FakeWorld, settle } from "../js/fakes.mjs";

let pages = new Map();
let said = [];

class ToldSocket extends FakeSocket {
  constructor(transports, number, tell) {
    super(transports);
    Object.assign(this, { number, tell });
    tell("open", number);
  }

  emit(event, payload, ack) {
    super.emit(event, payload, once(ack));
    this.tell("emit", this.number, this.sent.length - 1, event, payload);
  }

  disconnect() {
    super.disconnect();
    this.tell("close", this.number);
  }
}

/** As socket.io's client does: a second ack of one message is nobody's. */
function once(action) {
  let isDone = false;
  return (answer) => {
    if (!isDone) action(answer);
    isDone = true;
  };
}

/** Returns chance: always the same number, or from a seed (an integer of 2 or more). */
function chance(seed) {
  if (seed < 2) return () => 0.999 * seed;
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** What page.js and its like do of which JobSync takes notice: they show, and open the log of a step that starts or fails. */
class Page {
  #tell;
  #steps = new Map(); // name → { status, startedAt, last, logCount, isOpen }

  constructor(number, { jobId, served, opened, seed, honoursAbort }) {
    this.#tell = (...what) => said.push([number, this.world.clock.now(), ...what]);
    this.world = new FakeWorld({ random: chance(seed) });
    const outside = { ...this.world.outside, connect: (transports) => this.#connect(transports) };
    outside.fetch = (url, options) => this.#fetch(url, options, honoursAbort);
    const handlers = {
      onStructure: (structure) => this.#show(structure),
      onFragment: (name, html) => this.#tell("fragment", name, html),
      onConnection: (state) => this.#tell("state", state),
      onDeleted: (isReplaced) => this.#tell("deleted", isReplaced),
    };
    this.sync = new JobSync({ jobId, served, ...handlers }, outside);
    for (const { name, status, started_at: startedAt, log_count: logCount } of served.steps) {
      this.#steps.set(name, { status, startedAt, logCount, last: opened[name] ?? 0, isOpen: false });
      if (name in opened) this.expand(name);
    }
  }

  expand(name) {
    const step = this.#steps.get(name);
    if (step.isOpen) return;
    step.isOpen = true;
    const onLines = (lines) => this.#tell("lines", name, lines.map(({ line, message }) => [line, message]));
    this.sync.follow(name, { last: step.last, known: step.logCount, onLines });
  }

  collapse(name) {
    const step = this.#steps.get(name);
    Object.assign(step, { isOpen: false, last: 0 });
    this.sync.unfollow(name);
  }

  #show(structure) {
    this.#tell("structure", structure);
    for (const { name, status, started_at: startedAt, log_count: logCount } of structure.steps) {
      const step = this.#steps.get(name);
      const isNews = (startedAt !== null && startedAt !== step.startedAt) || (status === "failed" && step.status !== "failed");
      Object.assign(step, { status, startedAt, logCount });
      if (!isNews || step.isOpen) continue;
      this.#tell("expanded", name);
      this.expand(name);
    }
  }

  #connect(transports) {
    const socket = new ToldSocket(transports, this.world.sockets.length, this.#tell);
    this.world.sockets.push(socket);
    return socket;
  }

  #fetch(url, options, honoursAbort) {
    const answer = this.world.outside.fetch(url, options);
    const request = this.world.request;
    const number = this.world.requests.length - 1;
    this.#tell("ask", number, url, options.headers?.["If-None-Match"] ?? null);
    const isOver = () => this.#tell("abandon", number);
    options.signal?.addEventListener("abort", () => request.isAnswered || isOver());
    if (!honoursAbort) keepAlive(request);
    return answer;
  }
}

/** Makes a request deaf to its abort: what comes late comes all the same. */
function keepAlive(request) {
  const { reject } = request;
  request.reject = (error) => error.message === "aborted" || reject(error);
}

const COMMANDS = {
  reset: () => (pages = new Map()),
  new: (number, options) => pages.set(number, new Page(number, options)),
  call: (number, name, ...given) => pages.get(number).sync[name](...given),
  expand: (number, step) => pages.get(number).expand(step),
  collapse: (number, step) => pages.get(number).collapse(step),
  online: (number, isOnline) => (pages.get(number).world.online = isOnline),
  hear: (number, socket, event, payload) => pages.get(number).world.sockets[socket].hear(event, payload),
  ack: (number, socket, message, answer) => pages.get(number).world.sockets[socket].sent[message].ack(answer),
  answer: (number, request, ...answer) => whole(pages.get(number).world.requests[request]).answer(...answer),
  fail: (number, request) => whole(pages.get(number).world.requests[request]).fail(),
  advance: (ms, numbers) => Promise.all(numbers.map((number) => pages.get(number).world.clock.advance(ms))),
};

function whole(request) {
  request.isAnswered = true;
  return request;
}

for await (const line of createInterface({ input: process.stdin })) {
  said = [];
  try {
    for (const [command, ...given] of JSON.parse(line)) {
      await COMMANDS[command](...given);
      await settle();
    }
    process.stdout.write(`${JSON.stringify(said)}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ error: error.stack })}\n`);
  }
}
