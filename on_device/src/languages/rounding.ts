/** Python's `round` of a number that is not negative: a half goes to the even neighbour. */
export function roundHalfEven(number: number): number {
  const down = Math.floor(number);
  const rest = number - down;
  if (rest !== 0.5) return rest > 0.5 ? down + 1 : down;
  return down % 2 === 0 ? down : down + 1;
}
