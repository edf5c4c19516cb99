// The form that limits the list: what is chosen is sent at once, and what is left empty stays out of the address.

const KEY = "jobsync.filter"; // the field that was chosen in, which has the focus again on the next page
// Keys that go through values; what they pass isn't meant yet, and Enter sends it
const CHANGING = /^(Arrow|Page|Home|End|.$)/;

/** Calls `action` with what this tab keeps, if the browser lets it. */
function withMemory(action) {
  try {
    return action(sessionStorage);
  } catch {
    return null; // refused: the focus is where it is after any page
  }
}

export function startFilters(form) {
  let isPassing = false;
  form.addEventListener("keydown", ({ key, target }) => {
    isPassing = CHANGING.test(key) && key !== " ";
    if (key !== "Enter" || !target.matches("select")) return;
    if ([...target.options].some((option) => option.selected !== option.defaultSelected)) form.requestSubmit();
  });
  form.addEventListener("pointerdown", () => (isPassing = false));
  form.addEventListener("change", ({ target }) => {
    if (isPassing || !target.matches("select, [type=date]") || !target.validity.valid) return;
    withMemory((memory) => memory.setItem(KEY, target.name));
    form.requestSubmit();
  });
  form.addEventListener("formdata", ({ formData }) => {
    for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
  });
  form.elements[withMemory((memory) => memory.getItem(KEY))]?.focus();
  withMemory((memory) => memory.removeItem(KEY));
}
