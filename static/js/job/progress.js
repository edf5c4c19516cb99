// How far a job has come, in words. The server says the same in the same way (jobsync/web/progress.py).

import { number } from "../lib/show.js";

const LEAST_ENDED = 5; // children, before their rate means something
const LEAST_RUNNING = 5000; // ms
const UNFINISHED = ["pending", "running"];

const isOver = ({ status }) => !UNFINISHED.includes(status);
const sum = (steps, count) => steps.reduce((total, step) => total + count(step), 0);
const unfinished = ({ children }) => children.pending + children.running;
const ended = (step) => step.child_count - unfinished(step);
const amount = (count, noun, plural) => `${number(count)} ${count === 1 ? noun : plural}`;

/** Returns `{ share, words }`: how much is done (0 to 1), and what is left. now: ms. again: names of steps that kept children of an earlier try. */
export function progress(structure, now, again) {
  const { steps } = structure;
  const over = isOver(structure); // then only what has completed counts
  const isDone = over ? ({ status }) => status === "completed" : isOver;
  const done = over ? ({ children }) => children.completed : ended;
  const children = sum(steps, (step) => step.child_count);
  const left = over ? null : timeLeft(steps, now, again);
  const words = [`${number(steps.filter(isDone).length)} of ${amount(steps.length, "step", "steps")}`];
  if (children) words.push(` · ${number(sum(steps, done))} of ${amount(children, "child", "children")}`);
  if (over) words.push(" completed");
  if (left !== null) words.push(`, ${roughly(left)} left`);
  const share = sum(steps, (step) => (isDone(step) ? 1 : done(step) / (step.child_count || 1))) / (steps.length || 1);
  return { share, words: words.join("") };
}

/**
 * Returns the ms that the running steps need by the rate of their ended children, null where that would mean nothing: it does when no step is
 * still to begin, at least 5 children have ended and 5 s have passed. Children kept of an earlier try have no rate.
 */
export function timeLeft(steps, now, again = new Set()) {
  const running = steps.filter(({ status }) => status === "running");
  if (!running.length || steps.some(({ status }) => status === "pending") || running.some(({ name }) => again.has(name))) return null;
  const ran = now - Math.min(...running.map((step) => Date.parse(step.started_at)));
  const [done, left] = [sum(running, ended), sum(running, unfinished)];
  return left && done >= LEAST_ENDED && ran >= LEAST_RUNNING ? (left * ran) / done : null;
}

/** Returns a time in words that don't pretend: `about 40 s`, `about 2 min`, `about 3 h`. */
export function roughly(ms) {
  const seconds = Math.max(10, Math.ceil(ms / 10000) * 10);
  if (seconds < 60) return `about ${seconds} s`;
  const minutes = Math.ceil(ms / 60000);
  return minutes < 60 ? `about ${minutes} min` : `about ${Math.ceil(ms / 3600000)} h`;
}
