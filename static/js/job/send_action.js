// Has the API do something to a job. Loaded only when somebody presses a button.

import { TERMINAL } from "../lib/status.js";

const WITHIN = 15000; // ms

// What is said of an action that was done, and in which statuses of the job that is true
export const DONE = {
  cancel: { words: "Cancelled.", isTrueIn: (status) => status === "cancelled" },
  retry: { words: "It runs again: what had completed is kept.", isTrueIn: (status) => !TERMINAL.has(status) },
};

/**
 * action: "cancel", "retry", "rerun" or "delete". Returns the answer's body, null for none. Rejects with a message for
 * people.
 */
export async function sendAction(jobId, action) {
  const url = `/api/jobs/${encodeURIComponent(jobId)}`;
  const options = { method: action === "delete" ? "DELETE" : "POST", signal: AbortSignal.timeout(WITHIN) };
  if (action === "rerun") Object.assign(options, { body: "{}", headers: { "Content-Type": "application/json" } });
  let response;
  try {
    response = await fetch(action === "delete" ? url : `${url}/${action}`, options);
  } catch {
    throw new Error("The server can't be reached. It is not known whether it was done; the page will show it.");
  }
  const body = await response.json().catch(() => null); // 204 has none
  if (!response.ok) throw new Error(body?.message ?? `The server answered ${response.status}.`);
  return body;
}
