// What follows from a status. The server has the same rules (jobsync/status.py); tests/js/status.json has cases for
// both.

import { number } from "./show.js";

export const COMPLETED = new Set(["completed"]);
export const TERMINAL = new Set(["completed", "failed", "cancelled", "skipped"]);

/** Returns what a job of that status allows, in a fixed order. */
export function actions(status) {
  if (!TERMINAL.has(status)) return ["cancel", "rerun"];
  return status === "completed" ? ["rerun", "delete"] : ["retry", "rerun", "delete"];
}

/** Returns what a step as `structure` has it allows. */
export function stepActions({ status, children }) {
  if (!TERMINAL.has(status)) return ["cancel"];
  const isIncomplete = children.failed + children.cancelled > 0;
  return status === "failed" || status === "cancelled" || (status === "completed" && isIncomplete) ? ["retry"] : [];
}

export const sum = (items, count) => items.reduce((total, item) => total + count(item), 0);

/**
 * Counts what is done of steps as `structure` has them. done: the statuses that count, TERMINAL for what has ended,
 * COMPLETED for what has completed. Returns `{ children, share, words }`: the children that are done; how much of the
 * whole, 0 to 1, each step counting the same; and `2 of 4 steps · 37 of 1,200 children`.
 */
export function countDone(steps, done) {
  const isDone = ({ status }) => done.has(status);
  const doneOf = (step) => sum([...done], (status) => step.children[status] ?? 0);
  const [children, all] = [sum(steps, doneOf), sum(steps, (step) => step.child_count)];
  const words = [`${number(steps.filter(isDone).length)} of ${amount(steps.length, "step", "steps")}`];
  if (all) words.push(`${number(children)} of ${amount(all, "child", "children")}`);
  const share = sum(steps, (step) => (isDone(step) ? 1 : doneOf(step) / (step.child_count || 1))) / (steps.length || 1);
  return { children, share, words: words.join(" · ") };
}

const amount = (count, noun, plural) => `${number(count)} ${count === 1 ? noun : plural}`;
