// The page's network: requests are answered by `world.answer(url, etag)`, and sockets speak Engine.IO and Socket.IO as the server does.

const PING_EVERY = 25_000; // ms
const HANDSHAKE = JSON.stringify({ sid: "s", upgrades: [], pingInterval: PING_EVERY, pingTimeout: 20_000, maxPayload: 1_000_000 });
const network = { isCut: false, sockets: new Set(), answers: {}, messages: 0, connections: 0 };

/** Does something in a task of its own, for which `settled` waits. */
async function soon(action) {
  inTheAir += 1;
  await turn();
  inTheAir -= 1;
  action();
}

/** A response that counts as in the air until its body has been read. */
class Answer extends Response {
  json() {
    return super.json().finally(() => (inTheAir -= 1));
  }

  text() {
    return super.text().finally(() => (inTheAir -= 1));
  }
}

window.fetch = async (resource, options) => {
  const request = new Request(resource, options);
  inTheAir += 1;
  await turn();
  if (network.isCut || request.signal.aborted) {
    inTheAir -= 1;
    throw network.isCut ? new TypeError("Failed to fetch") : request.signal.reason;
  }
  const { what, status = 200, body = null, etag = "" } = world.answer(new URL(request.url), request.headers.get("If-None-Match"));
  network.answers[what] = (network.answers[what] ?? 0) + 1;
  if (body === null) inTheAir -= 1;
  return new Answer(body, { status, headers: { ETag: etag } });
};

navigator.sendBeacon = () => {
  network.answers.beacon = (network.answers.beacon ?? 0) + 1;
  return true;
};

/** Long-polling, which is tried when there is no other way: it never gets through. */
window.XMLHttpRequest = class {
  withCredentials = false;
  readyState = 0;
  status = 0;

  open() {}

  setRequestHeader() {}

  abort() {}

  send() {
    soon(() => {
      this.readyState = 4;
      this.onreadystatechange();
    });
  }
};

window.WebSocket = class {
  #rooms = new Set();
  #isOpen = false;

  constructor() {
    soon(() => {
      if (network.isCut) {
        this.onerror?.(new Event("error"));
        this.onclose?.(new CloseEvent("close"));
        return;
      }
      this.#isOpen = true;
      network.connections += 1;
      network.sockets.add(this);
      this.onopen(new Event("open"));
      this.receive(`0${HANDSHAKE}`);
    });
  }

  receive(data) {
    this.onmessage(new MessageEvent("message", { data }));
  }

  send(data) {
    const call = /^42(\d+)(.*)$/.exec(data);
    if (data === "40") soon(() => this.#isOpen && this.receive('40{"sid":"s"}'));
    if (!call) return;
    const [name, { job_id: jobId = "" }] = JSON.parse(call[2]);
    if (name === "subscribe") this.#rooms.add(jobId);
    else this.#rooms.delete(jobId);
    soon(() => this.#isOpen && this.receive(`43${call[1]}[${JSON.stringify(world.ack(jobId))}]`));
  }

  close() {
    this.#isOpen = false;
    network.sockets.delete(this);
    soon(() => this.onclose?.(new CloseEvent("close")));
  }

  /** Brings a hint if the socket is in that room. */
  tell(room, hint) {
    if (!this.#rooms.has(room)) return;
    network.messages += 1;
    this.receive(`42${JSON.stringify(["job_update", hint])}`);
  }
};

/** Tells all viewers of a room (a job's id, "" for the feed) a hint. */
function tell(room, hint) {
  for (const socket of [...network.sockets]) socket.tell(room, hint);
}

/** Ends all connections and lets none begin, or lets them. */
function cut(isCut) {
  network.isCut = isCut;
  if (isCut) for (const socket of [...network.sockets]) socket.close();
}

function ping() {
  for (const socket of [...network.sockets]) socket.receive("2");
}
