/** Runs `work` over all items, at most `limit` at once; the first failure stops the start of others and is thrown. */
export async function runParallel<Item>(
  items: Iterable<Item>,
  { limit, work }: { limit: number; work: (item: Item) => Promise<void> },
): Promise<void> {
  const rest = items[Symbol.iterator]();
  let failed = false;
  const worker = async () => {
    for (let next = rest.next(); !next.done && !failed; next = rest.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: limit }, worker));
  const failure = outcomes.find((outcome) => outcome.status === "rejected");
  if (failure) throw failure.reason;
}
