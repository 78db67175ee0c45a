import type { Migration } from "./migrate.ts";

/** The schemas that our migrations make: what a backup takes, and what a restore replaces. */
export function listOwnSchemas(migrations: Migration[]): string[] {
  const made = migrations.flatMap(({ text }) => [...text.matchAll(/^create schema (?:if not exists )?(\w+)/gim)]);
  return [...new Set(made.map((match) => match[1] ?? ""))];
}
