/** What is looked at. */
export type Area =
  | "settings"
  | "bun"
  | "data folder"
  | "database"
  | "migrations"
  | "clock"
  | "redis"
  | "queues"
  | "storage"
  | "disk"
  | "jobs"
  | "orphans"
  | "backup"
  | "keys"
  | "address"
  | "mail";

/** One thing that was looked at. Broken: the server cannot do its work. `fix` says what to do about it. */
export type Finding = {
  area: Area;
  state: "ok" | "warning" | "broken" | "skipped";
  detail: string;
  fix?: string /** What `--fix` does about it: safe, whatever runs meanwhile. */;
  repair?: () => Promise<unknown>;
};

/** What a failed look tells: the message of an error, on one line. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.replaceAll(/\s*\n\s*/g, "; ");
}
