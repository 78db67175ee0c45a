/**
 * Waits for work, for so long (ms) at most: undefined when it takes longer. Rejects as the work does. No timer is left behind, which
 * would keep a process alive that has nothing more to do.
 */
export async function waitAtMost<Result>(work: Promise<Result>, limitMs: number): Promise<Result | undefined> {
  let timer: Timer | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
