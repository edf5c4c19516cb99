import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { squaresOf } from "../../static/js/job/squares.js";
import { Fragment } from "../../static/js/sync/fragment.js";
import { FakeWorld, settle } from "./fakes.mjs";

// The same cases are given to the server's functions by tests/unit/web/test_children.py.
const CASES = JSON.parse(readFileSync(new URL("squares.json", import.meta.url)));

for (const { says, runs, number, some } of CASES) {
  test(`squares: ${says}`, () => {
    const squares = squaresOf(runs.map(([letter, count]) => letter.repeat(count)).join(""));
    assert.equal(squares.length, number);
    for (const [place, wanted] of Object.entries(some)) {
      const { first, status, share, words } = squares[place];
      assert.deepEqual([first, status, share, words], wanted);
    }
  });
}

/** A part that the page wasn't served with, and what was asked for it: `[etag, resolve]` each. */
function part() {
  const world = new FakeWorld();
  const [asked, shown] = [[], []];
  const read = (_, etag) => new Promise((resolve) => asked.push({ etag, resolve }));
  const keyOf = ({ revision }) => revision;
  return { world, asked, shown, made: new Fragment({ keyOf, read, onHtml: (html) => shown.push(html), spacing: 1000 }, world.outside) };
}

test("a part that is opened later is fetched at once, and again when something changes, at most once a second", async () => {
  const { made, asked, shown, world } = part();
  made.follow({ revision: 7 }, true);
  asked[0].resolve({ status: 200, body: "seven", etag: "e7" });
  await settle();
  made.follow({ revision: 8 }, true);
  made.follow({ revision: 9 }, true);
  assert.equal(asked.length, 1);
  await world.clock.advance(1000);
  assert.equal(asked.length, 2);
  asked[1].resolve({ status: 200, body: "nine", etag: "e9" });
  await world.clock.advance(5000);
  assert.deepEqual([shown, asked.length], [["seven", "nine"], 2]);
});

test("a part that hasn't changed is asked for with its tag, and shown no second time", async () => {
  const { made, asked, shown, world } = part();
  made.follow({ revision: 7 }, true);
  asked[0].resolve({ status: 200, body: "seven", etag: "e7" });
  await settle();
  made.follow({ revision: 8 }, true);
  await world.clock.advance(1000);
  assert.equal(asked[1].etag, "e7");
  asked[1].resolve({ status: 304, body: null, etag: "e7" });
  await world.clock.advance(5000);
  assert.deepEqual([shown, asked.length], [["seven"], 2]);
});

test("a part of a page that rests is fetched when that is over", async () => {
  const { made, asked } = part();
  made.follow({ revision: 7 }, false);
  assert.equal(asked.length, 0);
  made.start();
  assert.equal(asked.length, 1);
});
