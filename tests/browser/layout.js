// Returns what a page shows, part by part, in the order of the document: how deep it lies, its name, where it begins
// (from where its elder sibling does, or its parent), its size in pixels, and its colours as red, green, blue, opacity.
() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const parts = [];

  function bytes(colour) {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].join(" ");
  }

  function visit(element, depth, from) {
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    if (style.visibility === "hidden" || !box.width || !box.height) return from;
    const name = [element.localName, ...[...element.classList].sort()].join(".");
    const place = [box.x - from.x, box.y - from.y, box.width, box.height].map(Math.round);
    const hasBorder = parseFloat(style.borderTopWidth) > 0;
    const colours = [style.color, style.backgroundColor, ...(hasBorder ? [style.borderTopColor] : [])].map(bytes);
    parts.push([depth, name, place, colours]);
    let last = box;
    for (const child of element instanceof SVGElement ? [] : element.children) last = visit(child, depth + 1, last);
    return box;
  }

  visit(document.body, 0, { x: 0, y: 0 });
  return parts;
}
