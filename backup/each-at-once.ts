/** Works on the items of a stream, `limit` at a time. Throws the first failure, when what was under way has ended. */
export async function eachAtOnce<Item>(
  items: AsyncIterable<Item>,
  { limit, work }: { limit: number; work: (item: Item) => Promise<void> },
): Promise<void> {
  const running = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  for await (const item of items) {
    if (failure) break;
    const one = work(item)
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => running.delete(one));
    running.add(one);
    if (running.size >= limit) await Promise.race(running);
  }
  await Promise.all(running);
  if (failure) throw failure.error;
}
