/** Lines on their way to where all processes' lines are collected: so many at most, the oldest make room and are counted. */
export type LogBuffer = {
  /** Takes a line of JSON, and gives it an id by which its copies are told. */
  offer: (line: string) => void;
  /** The oldest lines, up to so many bytes; they are gone from here. */
  take: (maxBytes: number) => string[];
  /** How many lines have made room so far. */
  dropped: () => number;
};

type Limits = { maxLines?: number; maxBytes?: number };

/** Opens the buffer of one process: 10,000 lines and 4 MiB at most when not said otherwise. */
export function openLogBuffer({ maxLines = 10_000, maxBytes = 4 * 1024 ** 2 }: Limits = {}): LogBuffer {
  const prefix = Buffer.from(crypto.getRandomValues(new Uint8Array(6))).toString("hex");
  let lines: string[] = [];
  let first = 0; // those before are gone: shifting them out one by one would move all others
  let bytes = 0;
  let dropped = 0;
  let count = 0;
  const next = (): string | undefined => {
    const line = lines[first];
    if (line === undefined) return undefined;
    first += 1;
    bytes -= line.length;
    if (first > 1_000 && first * 2 > lines.length) {
      lines = lines.slice(first);
      first = 0;
    }
    return line;
  };
  return {
    offer: (text) => {
      count += 1;
      const line = `{"id":"${prefix}-${count.toString(36).padStart(7, "0")}",${text.trimEnd().slice(1)}`;
      lines.push(line);
      bytes += line.length;
      while (lines.length - first > maxLines || bytes > maxBytes) if (next() !== undefined) dropped += 1;
    },
    take: (most) => {
      const taken: string[] = [];
      let size = 0;
      for (;;) {
        const line = lines[first];
        if (line === undefined || (taken.length > 0 && size + line.length > most)) return taken;
        size += line.length;
        taken.push(line);
        next();
      }
    },
    dropped: () => dropped,
  };
}
