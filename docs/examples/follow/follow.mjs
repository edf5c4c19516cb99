// Starts a job and follows it to its end: node follow.mjs http://127.0.0.1:5000 DEFINITION
// Needs `npm install socket.io-client`. The rule is that of jobsync's own page: a message is a hint, `structure` is the truth.

import { io } from "socket.io-client";

const [url, definition] = process.argv.slice(2);
const TERMINAL = ["completed", "failed", "cancelled"];

async function call(path, options) {
  const response = await fetch(url + path, options);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

const job = await call("/api/jobs", {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ definition, params: {} }),
});

let shown = 0; // the revision that was printed last
let isAsking = false;
const socket = io(url, { transports: ["websocket"] });

socket.on("connect", async () => {
  const ack = await socket.emitWithAck("subscribe", { job_id: job.id });
  if (!ack.ok) throw new Error(ack.error);
  look(ack.revision); // subscribe first, look then: nothing can happen in between unnoticed
});
socket.on("job_update", (hint) => look(hint.revision));

async function look(revision) {
  if (revision <= shown || isAsking) return; // the next hint, at most 2 s away, makes up for one that is passed over
  isAsking = true;
  const structure = await call(`/api/jobs/${job.id}/structure`);
  isAsking = false;
  if (structure.revision <= shown) return;
  shown = structure.revision;
  console.log(structure.status, structure.steps.map((step) => `${step.name}:${step.status}`).join(" "));
  if (TERMINAL.includes(structure.status)) {
    socket.disconnect();
    process.exitCode = structure.status === "completed" ? 0 : 1;
  }
}
