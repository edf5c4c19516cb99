// Moving what is on the page smoothly: things glide to their new places instead of jumping there.

const MOVE = { duration: 250, easing: "ease-out" }; // ms
const APPEAR = [{ opacity: 0 }, { opacity: 1 }];

/** Makes a change of the page. What `find()` gives before and after it glides, what is there only after it appears. */
export function moveSmoothly(find, change) {
  const before = new Map([...find()].map((node) => [node, node.getBoundingClientRect().top]));
  change();
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const timing = isStill ? { duration: 1 } : MOVE; // one frame at the old place: nobody sees it move
  for (const node of find()) {
    const by = before.has(node) ? before.get(node) - node.getBoundingClientRect().top : null;
    if (by) node.animate([{ transform: `translateY(${by}px)` }, { transform: "none" }], timing);
    else if (by === null && !isStill) node.animate(APPEAR, timing);
  }
}
