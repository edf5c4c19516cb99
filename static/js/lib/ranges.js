// Numbers as ranges.

/** Returns ascending numbers as ranges without a gap, `[first, last]` each. */
export function rangesOf(numbers) {
  const ranges = [];
  for (const number of numbers) {
    const range = ranges.at(-1);
    if (range?.[1] === number - 1) range[1] = number;
    else ranges.push([number, number]);
  }
  return ranges;
}
