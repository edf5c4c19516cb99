// Styles of parts that are loaded when they are first used.

/** Loads a style sheet, once. Resolves when it is there, or can't be had: without it the part is plain, but right. */
export function styled(href) {
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
  const isThere = new Promise((done) => (link.onload = link.onerror = done));
  document.querySelector("link[rel=stylesheet]").before(link); // narrow screens and print come after all of it
  return isThere;
}
