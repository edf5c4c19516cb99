// What was refused of many jobs is grouped as the server does it: the same cases as in tests/unit/web/test_bulk.py.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { byReason } from "../../static/js/list/bulk.js";

const CASES = JSON.parse(readFileSync(new URL("refusals.json", import.meta.url)));

for (const { about, refused, reasons } of CASES) {
  test(`refusals are grouped: ${about}`, () => assert.deepEqual(byReason(refused), reasons));
}
