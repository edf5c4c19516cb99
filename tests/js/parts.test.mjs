import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Memory } from "../../static/js/lib/memory.js";
import { rangesOf } from "../../static/js/lib/ranges.js";
import { plain, took } from "../../static/js/lib/show.js";

test("numbers that follow each other are one range, others stay apart in order", () => {
  assert.deepEqual(rangesOf([]), []);
  assert.deepEqual(rangesOf([7]), [[7, 7]]);
  assert.deepEqual(rangesOf([1, 2, 3, 10, 30, 31].values()), [[1, 3], [10, 10], [30, 31]]);
});

class FakeStorage {
  items = new Map();
  getItem = (key) => this.items.get(key) ?? null;
  setItem = (key, value) => this.items.set(key, value);
}

test("what the viewer opened and closed is remembered for each job", () => {
  const storage = new FakeStorage();
  new Memory("a", () => storage).set("build", false);
  new Memory("b", () => storage).set("build", true);
  const again = new Memory("a", () => storage);
  assert.deepEqual([again.get("build"), again.get("test"), new Memory("b", () => storage).get("build")], [false, undefined, true]);
});

test("only the last 100 jobs are remembered, and each job that is touched counts as the last", () => {
  const storage = new FakeStorage();
  for (let job = 0; job < 130; job += 1) {
    new Memory(`job${job}`, () => storage).set("s", true);
    new Memory("kept", () => storage).set("s", true);
  }
  const [all] = storage.items.values();
  assert.equal(Object.keys(JSON.parse(all)).length, 100);
  assert.equal(new Memory("kept", () => storage).get("s"), true);
  assert.equal(new Memory("job3", () => storage).get("s"), undefined);
});

test("what two tabs keep of one job is kept of both, whatever the steps are called", () => {
  const storage = new FakeStorage();
  const [one, other] = [new Memory("a", () => storage), new Memory("a", () => storage)];
  one.set("build", true);
  other.set("__proto__", false);
  const later = new Memory("a", () => storage);
  assert.deepEqual([later.get("build"), later.get("__proto__"), later.get("test")], [true, false, undefined]);
});

test("a storage that is refused, full or spoilt costs only the memory", (context) => {
  context.mock.method(console, "info", () => {});
  const refused = new Memory("a", () => {
    throw new Error("denied");
  });
  refused.set("build", true);
  assert.equal(refused.get("build"), true);
  for (const spoilt of ["{", "null", "3", '{"a": 5}', '{"a": null}']) {
    const storage = new FakeStorage();
    storage.setItem("jobsync.steps", spoilt);
    assert.equal(new Memory("a", () => storage).get("build"), undefined);
  }
});

test("a step that has the name of an object's own property is like any other", () => {
  const memory = new Memory("a", () => new FakeStorage());
  assert.equal(memory.get("constructor"), undefined);
});

// The same cases are given to the server's filters by tests/unit/web/test_web.py.
const CASES = JSON.parse(readFileSync(new URL("./shown.json", import.meta.url), "utf8"));

test("durations look as they do where the server shows them", () => {
  for (const [start, end, text] of CASES.took) assert.equal(took(start, end), text);
});

test("lines are rid of terminal escapes as they are where the server shows them", () => {
  for (const [raw, text] of CASES.plain) assert.equal(plain(raw), text);
});
