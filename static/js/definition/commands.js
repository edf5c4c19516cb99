// What a form will send, as commands for a terminal; the server makes the same of what it serves
// (jobsync/web/commands.py).

const NUMBER = /^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?$/;

/** Returns a text as one word for a POSIX shell, as Python's shlex.quote does. */
function quote(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}

function literal(value, type) {
  const text = value.trim();
  const isNumber = (type === "integer" || type === "number") && NUMBER.test(text);
  const isBoolean = type === "boolean" && (text === "true" || text === "false");
  return isNumber || isBoolean ? text : JSON.stringify(value);
}

/** Returns what is sent of [name, text] pairs: a field left empty is not, save for text, which may be empty. */
export function given(pairs, types) {
  return pairs.filter(([name, value]) => value.trim() || (types[name] ?? "string") === "string");
}

/**
 * Returns a `curl` call. host: scheme, name and port of the server. pairs: as `given` returns them. types: those of the
 * parameters by name.
 */
export function curl(host, definition, pairs, types, rerunOf) {
  const params = pairs.map(([name, value]) => `${JSON.stringify(name)}: ${literal(value, types[name])}`).join(", ");
  const start = rerunOf ? "" : `"definition": ${JSON.stringify(definition)}, `;
  const path = rerunOf ? `/api/jobs/${rerunOf}/rerun` : "/api/jobs";
  const body = quote(`{${start}"params": {${params}}}`);
  return `curl ${quote(host + path)} \\\n  -H 'Content-Type: application/json' \\\n  -d ${body}`;
}

/** Returns the call of jobsync's own command. */
export function cli(definition, pairs, rerunOf) {
  const start = rerunOf ? `flask jobs rerun ${quote(rerunOf)}` : `flask jobs run ${quote(definition)}`;
  return [start, ...pairs.map(([name, value]) => `-p ${quote(`${name}=${value}`)}`), "--wait"].join(" ");
}
