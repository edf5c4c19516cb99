// What the page of a job looks like once the job is deleted.

import { part, setAttribute, setHidden, setText } from "../lib/show.js";

/**
 * Says that the job of a page is deleted, or with `isReplaced` that the database was replaced by an older one, and
 * takes its actions away.
 */
export function showDeleted(root, isReplaced) {
  const note = part(root, "deleted");
  const reason = isReplaced
    ? "The database was replaced by an older one: reload the page for what it says."
    : "This job was deleted.";
  setText(note, `${reason} What you see is the last that was known of it.`);
  setHidden(note, false);
  const actions = part(root, "actions");
  if (actions.contains(document.activeElement)) note.focus();
  setHidden(actions, true);
  for (const name of ["earlier", "later", "download", "filter", "show-children", "show-graph"]) {
    for (const node of root.querySelectorAll(`[data-part="${name}"]`)) setHidden(node, true);
  }
  for (const form of root.querySelectorAll("form")) setHidden(form, true);
  for (const link of root.querySelectorAll("[data-part='children-panel'] a")) link.removeAttribute("href");
  for (const gap of root.querySelectorAll(".log-gap button")) gap.disabled = true;
  const said = "Its lines were deleted with the job: those that were here are left.";
  for (const node of root.querySelectorAll("[data-part='log-said']")) setText(node, said);
  root.classList.add("is-deleted");
  setAttribute(part(document, "favicon"), "href", "/static/favicons/deleted.svg");
  document.title = `deleted · ${document.title}`;
}
