// What a form will send, as commands for a terminal; the server makes the same of what it serves
// (jobsync/web/shown_commands.py).

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
 * parameters by name. priority: as typed; a rerun takes none.
 */
export function curl(host, definition, pairs, types, rerunOf, priority = "") {
  const params = pairs.map(([name, value]) => `${JSON.stringify(name)}: ${literal(value, types[name])}`).join(", ");
  const start = rerunOf ? "" : `"definition": ${JSON.stringify(definition)}, `;
  const path = rerunOf ? `/api/jobs/${rerunOf}/rerun` : "/api/jobs";
  const end = priority.trim() ? `, "priority": ${literal(priority, "integer")}` : "";
  const body = quote(`{${start}"params": {${params}}${end}}`);
  return `curl ${quote(host + path)} \\\n  -H 'Content-Type: application/json' \\\n  -d ${body}`;
}

/** Returns the call of jobsync's own command. priority: as typed. */
export function cli(definition, pairs, rerunOf, priority = "") {
  const start = rerunOf ? `flask jobs rerun ${quote(rerunOf)}` : `flask jobs run ${quote(definition)}`;
  const params = pairs.map(([name, value]) => `-p ${quote(`${name}=${value}`)}`);
  const ranked = priority.trim() ? [`--priority ${quote(priority.trim())}`] : [];
  return [start, ...params, ...ranked, "--wait"].join(" ");
}
