// What follows from a status, by the same cases as the server's in tests/unit/test_status.py.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { COMPLETED, TERMINAL, actions, countDone, stepActions } from "../../static/js/lib/status.js";

const CASES = JSON.parse(readFileSync(new URL("status.json", import.meta.url)));
const NONE = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };

for (const [status, allowed] of Object.entries(CASES.actions)) {
  test(`a job that is ${status} allows ${allowed.join(", ")}`, () => assert.deepEqual(actions(status), allowed));
}

for (const [status, counts, allowed] of CASES.step_actions) {
  test(`a step that is ${status} with ${JSON.stringify(counts)} allows ${allowed.join(", ") || "nothing"}`, () => {
    assert.deepEqual(stepActions({ status, children: { ...NONE, ...counts } }), allowed);
  });
}

test("the terminal statuses are those of the server", () => {
  for (const [status, isTerminal] of Object.entries(CASES.terminal)) assert.equal(TERMINAL.has(status), isTerminal, status);
});

function asStep([status, counts]) {
  const children = { ...NONE, ...counts };
  return { status, children, child_count: Object.values(children).reduce((total, count) => total + count, 0) };
}

for (const { says, steps, ended, completed } of CASES.done) {
  for (const [name, done, wanted] of [["ended", TERMINAL, ended], ["completed", COMPLETED, completed]]) {
    test(`how much has ${name}: ${says}`, () => {
      const { words, children, share } = countDone(steps.map(asStep), done);
      assert.deepEqual([words, children], [wanted.words, wanted.children]);
      assert.ok(Math.abs(share - wanted.share) < 1e-9, share);
    });
  }
}
