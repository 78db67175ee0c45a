/** A figure of one side, measured in one round: seconds, bytes, or something per second. */
type Measure = () => Promise<number>;

export type Comparison = {
  what: string;
  reference: string;
  /** What the ratio should be, in words. */
  aim: string;
  reached: boolean;
  ratio: number;
  ours: number;
  theirs: number;
  unit: string;
  rounds: number;
};

type Sides = {
  what: string;
  reference: string;
  unit: "s" | "/s" | " bytes";
  /** Largest or smallest ratio that counts as reached. */
  aim: { atMost: number } | { atLeast: number };
  /** "ours over theirs" is for times and rates alike; "theirs over ours" says how many times faster we are. */
  as?: "ours over theirs" | "theirs over ours";
  rounds: number;
  ours: Measure;
  theirs: Measure;
};

/**
 * Measures two sides in turns, ours first in even rounds, after one round each that does not count. The ratio is the
 * median of the rounds' ratios: what disturbs the machine for a while disturbs both sides of a round.
 */
export async function compare({ ours, theirs, rounds, aim, as = "ours over theirs", ...words }: Sides) {
  await ours();
  await theirs();
  const [our, their, ratios]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < rounds; round++) {
    const first = round % 2 === 0 ? await ours() : await theirs();
    const second = round % 2 === 0 ? await theirs() : await ours();
    const [mine, other] = round % 2 === 0 ? [first, second] : [second, first];
    our.push(mine);
    their.push(other);
    ratios.push(as === "ours over theirs" ? mine / other : other / mine);
  }
  const ratio = median(ratios);
  const reached = "atMost" in aim ? ratio <= aim.atMost : ratio >= aim.atLeast;
  const wish = "atMost" in aim ? `≤ ${aim.atMost}` : `≥ ${aim.atLeast}`;
  return { ...words, aim: wish, reached, ratio, ours: median(our), theirs: median(their), rounds };
}

/** The middle value; of an even number the mean of the two in the middle. */
export function median(values: number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** How long some work takes, in seconds. */
export async function timeSeconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** One line for people. */
export function describe({ what, reference, ratio, aim, reached, ours, theirs, unit, rounds }: Comparison): string {
  const figure = (value: number) => (unit === "s" ? `${value.toFixed(3)} s` : `${Math.round(value)}${unit}`);
  return `${what}: ${ratio.toFixed(2)} (aim ${aim}, ${reached ? "reached" : "NOT reached"}) against ${reference}; ours ${figure(ours)}, theirs ${figure(theirs)}, medians of ${rounds} rounds`;
}
