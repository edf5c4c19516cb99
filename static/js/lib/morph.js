// Makes what is on the page like newer HTML of the server, moving and changing what is there already: focus, selection
// and scrolling stay where they are.

import { setAttribute, setText } from "./show.js";

/**
 * Children are told apart by `data-key` or `data-keep`, by their order where they have neither. What has `data-keep` is
 * left as it is: somebody else fills it.
 */
export function morph(node, newer) {
  const left = new Map();
  for (const child of node.childNodes) left.set(keyOf(child), [...(left.get(keyOf(child)) ?? []), child]);
  let place = node.firstChild;
  for (const wanted of [...newer.childNodes]) {
    const old = left.get(keyOf(wanted))?.shift();
    const child = old ?? wanted;
    if (child === place) place = place.nextSibling;
    else node.insertBefore(child, place);
    if (old) change(old, wanted);
  }
  for (const gone of [...left.values()].flat()) remove(gone);
}

function keyOf(node) {
  return [node.nodeName, node.dataset?.keep ?? "", node.dataset?.key ?? ""].join();
}

function change(node, newer) {
  if (node.nodeType !== Node.ELEMENT_NODE) {
    setText(node, newer.textContent);
    return;
  }
  if (node.dataset.keep) return;
  for (const { name, value } of newer.attributes) setAttribute(node, name, value);
  for (const { name } of [...node.attributes]) if (!newer.hasAttribute(name)) node.removeAttribute(name);
  morph(node, newer);
}

/** What had the focus in it gives that to what it was in. */
function remove(node) {
  if (node.contains(document.activeElement)) node.parentNode.closest("[tabindex]")?.focus({ preventScroll: true });
  node.remove();
}
