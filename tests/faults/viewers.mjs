// Pages without a browser: jobsync's own sync.js with a real socket and real requests, here in Node.
//
// node viewers.mjs URL. Orders come as lines of JSON on standard input, what happens goes out likewise:
//   {"open": n, "job": id}  opens page n on a job, as the browser does: the served page first, then the sync
//   {"close": n}  leaves it        {"cut": n}  breaks its connection, without a word to anyone
//   → {"viewer": n, "shown": structure}   {"viewer": n, "state": "live"}   {"viewer": n, "deleted": true}   {"viewer": n, "wrong": "…"}

import { createInterface } from "node:readline";

import { io } from "socket.io-client";

import { JobSync } from "../../static/js/sync/sync.js";

const url = process.argv[2];
const viewers = new Map();

function say(viewer, what) {
  process.stdout.write(`${JSON.stringify({ viewer, ...what })}\n`);
}

class Viewer {
  #number;
  #jobId;
  #sync = null;
  #socket = null;
  #shown = -1;
  #inAir = 0;
  #isLeft = false;

  constructor(number, jobId) {
    this.#number = number;
    this.#jobId = jobId;
  }

  async open() {
    const path = `/api/jobs/${this.#jobId}/structure`;
    while (!this.#isLeft) {
      try {
        const served = await (await fetch(url + path, { signal: AbortSignal.timeout(4000) })).json();
        this.#begin(served);
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 300)); // a user loads again
      }
    }
  }

  #begin(served) {
    this.#show(served);
    this.#sync = new JobSync(
      {
        jobId: this.#jobId,
        served,
        onStructure: (structure) => this.#show(structure),
        onFragment: () => {},
        onConnection: (state) => say(this.#number, { state }),
        onDeleted: () => say(this.#number, { deleted: true }),
      },
      this.#outside(),
    );
    this.#sync.start();
  }

  #show(structure) {
    if (structure.revision <= this.#shown) say(this.#number, { wrong: `revision ${structure.revision} after ${this.#shown}` });
    this.#shown = structure.revision;
    say(this.#number, { shown: structure });
  }

  #outside() {
    return {
      connect: (transports) => {
        this.#socket = io(url, { transports, tryAllTransports: true, forceNew: true, reconnection: false, timeout: 5000 });
        return this.#socket;
      },
      fetch: (path, options) => this.#fetch(path, options),
      clock: { now: () => performance.now(), setTimeout: (action, ms) => setTimeout(action, ms), clearTimeout: (timer) => clearTimeout(timer) },
      random: Math.random,
      isOnline: () => true,
      noteDate: () => {},
    };
  }

  /** One that was given up counts as in the air no more. */
  async #fetch(path, options) {
    const isStructure = path.endsWith("/structure");
    if (!isStructure) return fetch(url + path, options);
    this.#inAir += 1;
    let isOver = false;
    const end = () => {
      if (!isOver) this.#inAir -= 1;
      isOver = true;
    };
    options.signal.addEventListener("abort", end); // the sync aborts each of its requests when it is done with it
    if (this.#inAir > 1) say(this.#number, { wrong: `${this.#inAir} requests in the air` });
    return fetch(url + path, options);
  }

  leave() {
    this.#isLeft = true;
    this.#sync?.stop();
  }

  /** Ends the connection below Socket.IO, as a broken network does. */
  cut() {
    const transport = this.#socket?.io.engine?.transport;
    if (transport?.ws) transport.ws.terminate?.();
    else this.#socket?.io.engine?.close();
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const { open, job, close, cut } = JSON.parse(line);
  if (open !== undefined) {
    viewers.set(open, new Viewer(open, job));
    viewers.get(open).open();
  }
  if (close !== undefined) {
    viewers.get(close)?.leave();
    viewers.delete(close);
  }
  if (cut !== undefined) viewers.get(cut)?.cut();
}).on("close", () => process.exit(0));
