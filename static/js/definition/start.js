// The page of a definition: keeps the commands like the form, fills in values of earlier runs, and copies.

import { cli, curl, given } from "./commands.js";
import { showCopy } from "../lib/copy.js";
import { localizeTimes, part, setText } from "../lib/show.js";

const PREFIX = "params.";
const TWICE = 5000; // ms within which a second press of Start is taken for a part of the first

const form = document.querySelector("form[data-definition]");
const commands = document.querySelector("[data-part='commands']");
const fields = form.querySelectorAll("[data-type]");
const types = Object.fromEntries([...fields].map((field) => [field.name.slice(PREFIX.length), field.dataset.type]));

/**
 * Returns [name, text] of the parameters; of two with a name the later counts, as on the server: a box that isn't
 * ticked is a hidden "false".
 */
function pairs() {
  const sent = [...new FormData(form)].filter(([name]) => name.startsWith(PREFIX));
  return [...new Map(sent.map(([name, value]) => [name.slice(PREFIX.length), value]))];
}

function showCommands() {
  const { definition, host } = form.dataset;
  const rerunOf = form.elements.rerun_of?.value;
  const values = given(pairs(), types);
  const priority = form.elements.priority?.value; // a rerun has that of the first run
  setText(part(commands, "curl"), curl(host, definition, values, types, rerunOf, priority));
  setText(part(commands, "cli"), cli(definition, values, rerunOf, priority));
}

function fill(button) {
  const field = document.getElementById(button.dataset.fill);
  field.value = button.textContent;
  field.focus();
  showCommands();
}

let sentAt = -Infinity;
form.addEventListener("submit", (event) => {
  if (event.timeStamp - sentAt < TWICE) event.preventDefault();
  else sentAt = event.timeStamp;
});
form.addEventListener("input", showCommands);
form.addEventListener("change", showCommands);
addEventListener("pageshow", () => {
  sentAt = -Infinity;
  showCommands(); // the browser may have put back what was typed
});
for (const button of form.querySelectorAll("[data-fill]")) {
  button.disabled = false;
  button.addEventListener("click", () => fill(button));
}
for (const button of commands.querySelectorAll("[data-copy]")) {
  showCopy(button, () => part(commands, button.dataset.copy).textContent, part(commands, "copied"));
}
localizeTimes(document);
