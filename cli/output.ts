import { MultiBar } from "cli-progress";
import { type Messages, messagesOf, readerLanguage } from "./messages.ts";

/** A stream that takes text; `isTTY` tells whether a person watches it. */
export type TextStream = NodeJS.WritableStream & { isTTY?: boolean };

export type Progress = {
  /** Adds `amount` units (bytes or files) to what is done. */
  advance(amount: number): void;
  /** A few words beside the bar, such as the file in flight. */
  note(text: string): void;
  finish(): void;
};

export type Output = {
  json: boolean;
  language: "en" | "ru";
  text: Messages;
  /** One line for people: stdout, or stderr when stdout is kept for JSON. */
  say(line: string): void;
  /** The one JSON object of a command on stdout; nothing without --json. */
  result(value: object): void;
  /** Starts a bar on a terminal, plain lines (first, last, at most one in 2 s) elsewhere. `total` is in `unit`. */
  progress(label: string, options: { total: number; unit: "bytes" | "files" | "percent" }): Progress;
};

type OutputOptions = {
  json: boolean;
  stdout: TextStream;
  stderr: TextStream;
  env?: Record<string, string | undefined>;
};

const lineEveryMs = 2_000;

/** Where a command talks: text to people in their language, or one JSON object to programs. */
export function createOutput({ json, stdout, stderr, env = process.env }: OutputOptions): Output {
  const talk = json ? stderr : stdout;
  const language = readerLanguage(env);
  const bars = new Set<MultiBar>();
  const say = (line: string) => {
    const [bar] = bars;
    if (bar) bar.log(`${line}\n`);
    else talk.write(`${line}\n`);
  };
  return {
    json,
    language,
    text: messagesOf(language),
    say,
    result(value) {
      if (json) stdout.write(`${JSON.stringify(value)}\n`);
    },
    progress(label, { total, unit }) {
      const show = (amount: number) =>
        unit === "bytes" ? formatBytes(amount) : unit === "percent" ? `${Math.round(amount)} %` : String(amount);
      return talk.isTTY === true && !env.CI && env.TERM !== "dumb"
        ? barProgress(label, { total, show, stream: talk, bars })
        : lineProgress(label, { total, show, say });
    },
  };
}

type Show = (amount: number) => string;

function barProgress(
  label: string,
  { total, show, stream, bars }: { total: number; show: Show; stream: TextStream; bars: Set<MultiBar> },
): Progress {
  const multi = new MultiBar({
    stream,
    hideCursor: true,
    clearOnComplete: false,
    fps: 10,
    barsize: 28,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    format: `${label} {bar} {percentage}% {done}/${show(total)} {note}`,
  });
  let done = 0;
  let note = "";
  // A bar of nothing divides by zero, so an empty job is shown as one full unit.
  const bar = multi.create(Math.max(total, 1), total === 0 ? 1 : 0, { done: show(0), note });
  bars.add(multi);
  return {
    advance(amount) {
      done += amount;
      bar.update(Math.min(done, total), { done: show(done), note });
    },
    note(text) {
      note = text.slice(0, 40);
      bar.update({ done: show(done), note });
    },
    finish() {
      bar.update({ done: show(done), note: "" });
      multi.stop();
      bars.delete(multi);
    },
  };
}

function lineProgress(
  label: string,
  { total, show, say }: { total: number; show: Show; say: (line: string) => void },
): Progress {
  let done = 0;
  let saidAt = performance.now();
  let finished = false;
  const line = () => say(`${label}: ${show(done)} / ${show(total)}`);
  line();
  return {
    advance(amount) {
      done += amount;
      if (performance.now() - saidAt < lineEveryMs) return;
      saidAt = performance.now();
      line();
    },
    note() {},
    finish() {
      if (!finished && done > 0) line();
      finished = true;
    },
  };
}

/** A size for people, in binary units with one decimal above a KiB. */
export function formatBytes(sizeBytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let amount = sizeBytes;
  let unit = 0;
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? amount : amount.toFixed(1)} ${units[unit]}`;
}

/** A plain table: columns padded to their widest cell, two spaces between. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
