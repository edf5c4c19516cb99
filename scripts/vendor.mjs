// Copies third-party files into static/vendor/ from the pinned npm packages, with their licences and SHA-256 sums.
//
//   npm ci --ignore-scripts && node scripts/vendor.mjs     makes the files and static/vendor/SHA256SUMS again
//   node scripts/vendor.mjs --check                        says whether the files are those that the sums were made of; needs no packages

import { createHash } from "node:crypto";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const VENDOR = join(ROOT, "static", "vendor");
const SUMS = "SHA256SUMS";

const FILES = [
  { from: "socket.io-client/dist/socket.io.esm.min.js", to: "socket.io.esm.min.js" },
  { from: "socket.io-client/LICENSE", to: "socket.io-client.LICENSE" },
];

function sumOf(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Returns the file without the reference to its source map, which isn't served: browsers' tools would ask for it. */
function withoutMap(bytes) {
  return Buffer.from(bytes.toString("utf8").replace(/\n?\/\/# sourceMappingURL=\S+\s*$/, "\n"));
}

function make() {
  for (const name of readdirSync(VENDOR)) rmSync(join(VENDOR, name));
  const sums = FILES.map(({ from, to }) => {
    const bytes = readFileSync(join(ROOT, "node_modules", from));
    const kept = to.endsWith(".js") ? withoutMap(bytes) : bytes;
    writeFileSync(join(VENDOR, to), kept);
    return `${sumOf(kept)}  ${to}\n`;
  });
  writeFileSync(join(VENDOR, SUMS), sums.join(""));
}

/** Returns what is wrong, a line each: a changed, missing or unlisted file. */
function mistakes() {
  const lines = readFileSync(join(VENDOR, SUMS), "utf8").trim().split("\n");
  const sums = new Map(lines.map((line) => line.split("  ").reverse()));
  const present = readdirSync(VENDOR).filter((name) => name !== SUMS);
  const unlisted = present.filter((name) => !sums.has(name)).map((name) => `${name}: not in ${SUMS}`);
  const changed = [...sums].filter(([name, sum]) => !present.includes(name) || sumOf(readFileSync(join(VENDOR, name))) !== sum);
  return [...unlisted, ...changed.map(([name]) => `${name}: missing or changed`)];
}

if (process.argv.includes("--check")) {
  const found = mistakes();
  for (const line of found) console.error(line);
  process.exit(found.length ? 1 : 0);
} else {
  make();
}
