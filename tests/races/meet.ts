/** A point that nobody passes before `count` have come to it: what makes a race happen each time. */
export function meet(count: number): () => Promise<void> {
  const complete = Promise.withResolvers<void>();
  let waiting = 0;
  return () => {
    waiting += 1;
    if (waiting === count) complete.resolve();
    return complete.promise;
  };
}
