import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { LevelFeed, atLeast } from "../../static/js/sync/level_feed.js";
import { progress } from "../../static/js/job/progress.js";
import { elapsed } from "../../static/js/lib/show.js";
import { layOut } from "../../static/js/job/timeline.js";
import { FakeWorld } from "./fakes.mjs";

// The same cases are given to the server's functions by tests/test_web_job.py.
const cases = (name) => JSON.parse(readFileSync(new URL(`./${name}.json`, import.meta.url), "utf8"));

for (const { says, structure, now, again, words, share } of cases("progress")) {
  test(`progress: ${says}`, () => {
    const said = progress(structure, Date.parse(now), new Set(again));
    assert.equal(said.words, words);
    assert.ok(Math.abs(said.share - share) < 1e-9, said.share);
  });
}

for (const { says, structure, now, depends, ticks, present, rows } of cases("timeline")) {
  test(`timeline: ${says}`, () => {
    const made = layOut(structure, depends, Date.parse(now));
    assert.deepEqual([made.ticks, made.now, made.rows.map(([wait, run]) => [wait, run])], [ticks, present, rows]);
  });
}

test("the timeline tells how long a step waited", () => {
  const [{ structure, now, depends }] = cases("timeline");
  assert.deepEqual(layOut(structure, depends, Date.parse(now)).rows.map(([, , waited]) => waited), [200, 2000, 0, 12000]);
});

test("what goes on is timed in whole seconds, what is over to the tenth, what hasn't begun not at all", () => {
  const start = "2026-11-22T13:00:00.000Z";
  assert.equal(elapsed({ started_at: start, finished_at: null }, Date.parse(start) + 61_900), "1 min 01 s");
  assert.equal(elapsed({ started_at: start, finished_at: null }, Date.parse(start) + 9900), "9 s");
  assert.equal(elapsed({ started_at: start, finished_at: null }, Date.parse(start) - 5000), "0 s");
  assert.equal(elapsed({ started_at: start, finished_at: "2026-11-22T13:00:02.345Z" }), "2.3 s");
  assert.equal(elapsed({ started_at: null, finished_at: "2026-11-22T13:00:02.345Z" }), "");
});

// The lines of a level

const LEVELS = { debug: 1, info: 10, warning: 4, error: 2 };
const page = (total) => ({ items: [{ line: total }], total, log_count: 100 });

function feed() {
  const world = new FakeWorld();
  const [asked, got] = [[], []];
  const read = (query) => new Promise((resolve) => asked.push({ query, resolve }));
  const made = new LevelFeed({ read, level: "warning", onLines: (lines) => got.push(lines[0].line) }, world.outside);
  return { made, asked, got, world };
}

test("lines of a level are counted with those above it", () => {
  assert.deepEqual(["debug", "info", "warning", "error"].map((level) => atLeast(level, LEVELS)), [17, 16, 6, 2]);
});

test("the lines of a level are fetched once, and again when there are more of them, at most once a second", async () => {
  const { made, asked, got, world } = feed();
  made.start();
  assert.deepEqual(asked[0].query, { level: "warning", limit: 500 });
  asked[0].resolve(page(6));
  await world.clock.advance(10);
  made.grew(200, { ...LEVELS, info: 500 }); // more lines, but none of that level
  await world.clock.advance(5000);
  assert.equal(asked.length, 1);
  made.grew(201, { ...LEVELS, error: 3 });
  made.grew(202, { ...LEVELS, error: 4 });
  asked[1].resolve(page(7));
  await world.clock.advance(999);
  assert.equal(asked.length, 2);
  await world.clock.advance(2);
  asked[2].resolve(page(8));
  await world.clock.advance(5000);
  assert.deepEqual([asked.length, got], [3, [6, 7, 8]]);
});

test("lines of a level that nobody looks at any more are asked for no more", async () => {
  const { made, asked, world } = feed();
  made.start();
  made.stop();
  await world.clock.advance(9000);
  assert.equal(asked.length, 1);
});
