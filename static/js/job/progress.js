// How far a job has come, in words. The server says the same in the same way (jobsync/web/progress.py).

import { COMPLETED, TERMINAL, countDone, sum } from "../lib/status.js";

const LEAST_ENDED = 5; // children, before their rate means something
const LEAST_RUNNING = 5000; // ms

/**
 * Returns `{ share, words }`: how much is done (0 to 1), and what is left. Done is what has ended; of a job that is
 * over, what has completed. now: ms. again: names of steps that kept children of an earlier try.
 */
export function progress({ status, steps }, now, again) {
  const isOver = TERMINAL.has(status);
  const { share, words } = countDone(steps, isOver ? COMPLETED : TERMINAL);
  const left = isOver ? null : timeLeft(steps, now, again);
  return { share, words: words + (isOver ? " completed" : left === null ? "" : `, ${roughly(left)} left`) };
}

/**
 * Returns the ms that the running steps need by the rate of their ended children, null where that would mean nothing:
 * it does when no step is still to begin, at least 5 children have ended and 5 s have passed. Children kept of an
 * earlier try have no rate.
 */
export function timeLeft(steps, now, again = new Set()) {
  const running = steps.filter(({ status }) => status === "running");
  if (!running.length || steps.some(({ status }) => status === "pending")) return null;
  if (running.some(({ name }) => again.has(name))) return null;
  const ran = now - Math.min(...running.map((step) => Date.parse(step.started_at)));
  const done = countDone(running, TERMINAL).children;
  const left = sum(running, ({ children }) => children.pending + children.running);
  return left && done >= LEAST_ENDED && ran >= LEAST_RUNNING ? (left * ran) / done : null;
}

/** Returns a time in words that don't pretend: `about 40 s`, `about 2 min`, `about 3 h`. */
export function roughly(ms) {
  const seconds = Math.max(10, Math.ceil(ms / 10000) * 10);
  if (seconds < 60) return `about ${seconds} s`;
  const minutes = Math.ceil(ms / 60000);
  return minutes < 60 ? `about ${minutes} min` : `about ${Math.ceil(ms / 3600000)} h`;
}
