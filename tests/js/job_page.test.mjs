import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { LevelLines } from "../../static/js/job/level_lines.js";
import { progress } from "../../static/js/job/progress.js";
import { layOut } from "../../static/js/job/timeline.js";
import { elapsed } from "../../static/js/lib/show.js";
import { ALL_LINES, LogFeed } from "../../static/js/sync/log_feed.js";
import { FakeWorld } from "./fakes.mjs";

// The same cases are given to the server's functions by tests/unit/web/test_job_page.py.
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
const step = (levels) => ({ levels, log_count: Object.values(levels).reduce((total, count) => total + count, 0) });

/** Returns a page of lines with these numbers, of `total` in the source. */
const page = (numbers, total) => ({ items: numbers.map((line) => ({ line })), total, log_count: 900 });
const placesOf = ({ items }) => items.map(({ line, place }) => [line, place]);

function feed(known) {
  const world = new FakeWorld();
  const [asked, got] = [[], []];
  const read = (query) => new Promise((resolve) => asked.push({ query, resolve }));
  const onLines = (lines) => got.push(...placesOf({ items: lines }));
  const made = new LogFeed({ read, source: new LevelLines("warning"), known, last: 0, onLines }, world.outside);
  return { made, asked, got, world };
}

test("lines of a level are counted with those above it", () => {
  const levels = ["debug", "info", "warning", "error"];
  assert.deepEqual(levels.map((level) => new LevelLines(level).countOf(step(LEVELS))), [17, 16, 6, 2]);
  assert.equal(new LevelLines("warning").wordsOf(step(LEVELS)), "Showing warnings and errors only: 6 of 17 lines.");
});

test("where all lines are shown a line's place is its number", () => {
  const lines = page([7, 8], 2);
  assert.equal(ALL_LINES.place(lines), 900);
  assert.deepEqual([placesOf(lines), ALL_LINES.countOf(step(LEVELS))], [[[7, 7], [8, 8]], 17]);
});

test("the places of a level's lines follow from what they are next to", () => {
  const source = new LevelLines("error");
  const cases = [
    [{ limit: 3 }, 0, [3, 4, 5]],
    [{ after: 90, limit: 3 }, 1, [2, 3, 4]],
    [{ after: 0, limit: 3 }, 0, [1, 2, 3]],
    [{ before: 400, limit: 3 }, 4, [1, 2, 3]],
    [{ after: 90, before: 400, limit: 3 }, 1, [2, 3, 4]],
  ];
  for (const [query, near, places] of cases) {
    const lines = page([100, 200, 300], 5);
    assert.equal(source.place(lines, query, near), 5);
    assert.deepEqual(lines.items.map(({ place }) => place), places, JSON.stringify(query));
  }
});

test("the lines of a level are fetched, and those that follow when there are more, at most once a second", async () => {
  const { made, asked, got, world } = feed(2);
  made.start();
  assert.deepEqual(asked[0].query, { level: "warning", limit: 500 });
  asked[0].resolve(page([40, 50], 2));
  await world.clock.advance(10);
  made.grew(step({ ...LEVELS, warning: 1, error: 1, info: 500 })); // more lines, but none of that level
  made.hint();
  await world.clock.advance(5000);
  assert.equal(asked.length, 1);
  made.grew(step({ ...LEVELS, warning: 1, error: 2 }));
  made.grew(step({ ...LEVELS, warning: 1, error: 3 }));
  assert.deepEqual(asked[1].query, { level: "warning", after: 50, limit: 1000 });
  asked[1].resolve(page([60], 3));
  await world.clock.advance(999);
  assert.equal(asked.length, 2);
  await world.clock.advance(2);
  assert.deepEqual(asked[2].query, { level: "warning", after: 60, limit: 1000 });
  asked[2].resolve(page([700], 4));
  await world.clock.advance(5000);
  assert.deepEqual([asked.length, got], [3, [[40, 1], [50, 2], [60, 3], [700, 4]]]);
});

test("a feed that is far behind in its level fetches the latest of it", async () => {
  const { made, asked, got, world } = feed(1);
  made.start();
  asked[0].resolve(page([40], 1));
  await world.clock.advance(2000);
  made.grew(step({ ...LEVELS, warning: 502, error: 0, info: 9000 }));
  assert.deepEqual(asked[1].query, { level: "warning", limit: 500 });
  asked[1].resolve(page([800, 900], 502));
  await world.clock.advance(10);
  assert.deepEqual(got, [[40, 1], [800, 501], [900, 502]]);
});

test("a level without lines is asked for when there are some", async () => {
  const { made, asked } = feed(0);
  made.start();
  assert.equal(asked.length, 0);
  made.grew(step(LEVELS));
  assert.equal(asked.length, 1);
});

test("lines of a level that nobody looks at any more are asked for no more", async () => {
  const { made, asked, world } = feed(2);
  made.start();
  made.stop();
  await world.clock.advance(9000);
  assert.equal(asked.length, 1);
});
