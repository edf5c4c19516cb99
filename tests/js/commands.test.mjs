// The commands on a definition's page are those that the server serves: the same cases as in tests/unit/web/test_start_form.py.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { cli, curl, given } from "../../static/js/definition/commands.js";

const CASES = JSON.parse(readFileSync(new URL("commands.json", import.meta.url)));

for (const { about, definition, types, values, rerun_of: rerunOf, priority, ...wanted } of CASES) {
  test(`the commands are right for ${about}`, () => {
    const pairs = given(values, types);
    assert.equal(curl("http://127.0.0.1:5000", definition, pairs, types, rerunOf, priority), wanted.curl);
    assert.equal(cli(definition, pairs, rerunOf, priority), wanted.cli);
  });
}
