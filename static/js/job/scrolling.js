// The scrolling of a log: following its end, and leaving in view what is in view.

const AT_END = 24; // pixels from the end that still count as the end

const ending = new Map(); // boxes that are scrolled to their ends in the next frame → isWanted()
// Boxes → where their ends are. What has grown since doesn't count until it is scrolled to
const ends = new WeakMap();

function endOf(box) {
  if (!ending.has(box)) ends.set(box, box.scrollHeight);
  return ends.get(box) ?? box.scrollHeight;
}

/** Scrolls a box to its end at once. */
export function goToEnd(box) {
  ending.delete(box);
  box.scrollTop = endOf(box);
}

/** Takes all lines out of the document. The end is where the box is scrolled to then, for whoever fills it again. */
export function empty(box, rows) {
  rows.replaceChildren();
  goToEnd(box);
}

/** Forgets that a box was to be scrolled to its end: else where the end was would be taken for where it is. */
export function leaveEnd(box) {
  ending.delete(box);
}

/**
 * Returns whether a box is scrolled to its end. What has come since the last frame doesn't count: nobody has scrolled
 * up then.
 */
export function isAtEnd(box) {
  return endOf(box) - box.scrollTop - box.clientHeight <= AT_END;
}

/** Returns the first row that can be seen. */
export function rowInView(box, rows) {
  let [low, high] = [0, rows.children.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const row = rows.children[middle];
    if (row.offsetTop + row.offsetHeight <= box.scrollTop) low = middle + 1;
    else high = middle;
  }
  return rows.children[low] ?? null;
}

/** Changes the rows of a box and leaves in view what was in view. */
export function stayInPlace(box, rows, change) {
  const row = rowInView(box, rows);
  const place = row && row.offsetTop - box.scrollTop;
  change();
  if (row?.isConnected) box.scrollTop = row.offsetTop - place;
}

/**
 * Changes the rows of a box that is scrolled to its end, and scrolls there again if that `isWanted` still. isTrimmed:
 * whether rows may go away above. Their height is kept until that is painted, and what `change()` returns to be done
 * above waits as well. Else the rows wouldn't be scrolled but would move, which browsers count as unstable (CLS).
 */
export function stayAtEnd(box, rows, change, isTrimmed, isWanted) {
  const last = isTrimmed && rows.lastElementChild;
  const before = last?.offsetTop;
  const changeAbove = change();
  const gone = last?.isConnected ? before - last.offsetTop : 0;
  if (gone > 0) return pad(box, rows, gone, changeAbove);
  if (rows.lastElementChild) scrollToEnd(box, isWanted);
  if (changeAbove) changeLater(box, changeAbove);
}

/** Scrolls a box to its end before the next painting: all boxes together, so that they are laid out once. */
function scrollToEnd(box, isWanted) {
  if (ending.size === 0) requestAnimationFrame(() => {
    for (const [each, isStillWanted] of ending) {
      if (isStillWanted()) goToEnd(each);
      else ending.delete(each);
    }
  });
  ending.set(box, isWanted);
}

async function pad(box, rows, height, changeAbove) {
  const before = parseFloat(rows.style.paddingTop) || 0;
  rows.style.paddingTop = `${before + height}px`;
  goToEnd(box);
  if (before > 0) return; // what is taken away soon takes this along
  await frames(2);
  shift(box, () => rows.removeAttribute("style"));
  if (changeAbove) await changeLater(box, changeAbove);
}

async function changeLater(box, change) {
  await frames(2); // the next one may still show what has changed now
  shift(box, change);
}

/** Changes what is above, and scrolls by as much as that grows or shrinks. */
function shift(box, change) {
  const { scrollTop, scrollHeight } = box;
  const end = endOf(box);
  change();
  const growth = box.scrollHeight - scrollHeight;
  box.scrollTop = scrollTop + growth;
  ends.set(box, end + growth);
}

async function frames(count) {
  for (let left = count; left > 0; left -= 1) await new Promise(requestAnimationFrame);
}
