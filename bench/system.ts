import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { startEmbeddedPostgres } from "../db/embedded.ts";
import { createDatabase, migrate } from "../db/migrate.ts";
import { openLog } from "../log.ts";
import { migrateQueues } from "../queues/connection.ts";
import { type System, startSystem, stopShared, type TestUser } from "../tests/harness.ts";
import { command, type Run } from "./bench.ts";

/**
 * A PostgreSQL for the harness that syncs every commit, as the one of `./sunduk up` does; the tests' own does not, and
 * would flatter us.
 */
export async function openDatabase({ folder, stack }: Pick<Run, "folder" | "stack">): Promise<void> {
  await chmod(folder, 0o755); // as root, PostgreSQL runs as somebody else
  const postgres = await startEmbeddedPostgres({
    folder: join(folder, "postgres"),
    password: "bench",
    log: openLog({ level: "silent", service: "bench" }),
    settings: { max_connections: "200" },
  });
  stack.defer(postgres.stop);
  const template = new URL(postgres.url);
  template.pathname = "/sunduk_template";
  await createDatabase(template.href);
  await migrate(template.href);
  await migrateQueues(template.href);
  process.env.SUNDUK_TEST_DATABASE = postgres.url;
  stack.defer(stopShared);
}

/** A system on embedded parts, an API and two pods as processes, its objects below the benchmark's folder. */
export async function openSystem(
  { folder, stack }: Pick<Run, "folder" | "stack">,
  { pods = 2, environment = {} }: { pods?: number; environment?: Record<string, string> } = {},
): Promise<System> {
  await openDatabase({ folder, stack });
  const data = join(folder, "data");
  await mkdir(data);
  const system = await startSystem({ environment: { DATA: data, ...environment }, pods });
  stack.defer(system.stop);
  return system;
}

type Publishing = { slug: string; system: System; version?: string; author?: TestUser };

/** Publishes a folder as a version (1.0.0) of a public pack, as an author does; answers who it was. */
export async function publishFolder(
  folder: string,
  { slug, system, version = "1.0.0", author: known }: Publishing,
): Promise<TestUser> {
  const author = known ?? (await system.signUp());
  await Bun.write(join(folder, "sunduk.toml"), `name = "${slug}"\nminecraft = "1.21.1"\n`);
  const argv = ["pack", "publish", folder, "--slug", slug, "--version", version, "--visibility", "public", "--json"];
  await command([sunduk, ...argv], { env: clientEnvironment(folder, { url: system.url, token: author.token }) });
  return author;
}

/** The one command, as a person runs it. */
export const sunduk = join(import.meta.dir, "..", "sunduk");

/** A person's surroundings, whose configuration is not touched. */
export const clientEnvironment = (folder: string, { url, token }: { url: string; token?: string }) => ({
  HOME: folder,
  XDG_CONFIG_HOME: join(folder, "..", "config"),
  SUNDUK_URL: url,
  ...(token !== undefined && { SUNDUK_TOKEN: token }),
});
