import { Type as t } from "@sinclair/typebox";
import { lockPack } from "../../db/pack.ts";
import {
  deleteSolderClient,
  findSolderClient,
  listSolderClients,
  type SolderClientRow,
  upsertSolderClient,
} from "../../db/solder-client.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { getPackAs } from "../packs/service.ts";
import { CursorId, readCursor, writeCursor } from "../pages.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import type { SolderClient, SolderClients } from "./model.ts";

const Cursor = t.Tuple([CursorId]);
const mostClients = 1_000;

type Clients = Pick<Deps, "db">;
type Asked = { caller: Caller; slug: string };
type One = Asked & { uuid: string };

/** The clients that may read a pack, by their ids. */
export async function searchClients(
  { db }: Clients,
  { limit = 50, cursor, ...asked }: Asked & { limit?: number; cursor?: string },
): Promise<typeof SolderClients.static> {
  const pack = await getPackAs({ db }, { ...asked, role: "maintainer" });
  const after = readCursor(cursor, Cursor)?.[0] ?? null;
  const rows = await listSolderClients(db, { packId: pack.id, after, limit: limit + 1 });
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return { items: rows.slice(0, limit).map(describeClient), nextCursor: last ? writeCursor([last.id]) : null };
}

export async function getClient({ db }: Clients, { uuid, ...asked }: One): Promise<SolderClient> {
  const pack = await getPackAs({ db }, { ...asked, role: "maintainer" });
  const row = await findSolderClient(db, { packId: pack.id, id: uuid });
  if (!row) throw missing(asked.slug);
  return describeClient(row);
}

/** Lets a launcher's installation read a private pack, or names it anew. */
export async function admitClient(
  { db }: Clients,
  { uuid, name, ...asked }: One & { name: string },
): Promise<SolderClient> {
  const pack = await getPackAs({ db }, { ...asked, role: "maintainer" });
  await db.transaction(async (tx) => {
    await confirmCaller(tx, asked.caller);
    // One at a time, so that they are counted.
    await lockPack(tx, pack.id);
    if ((await upsertSolderClient(tx, { packId: pack.id, id: uuid, name, most: mostClients })) === 0)
      throw new Fault("conflict", `Cannot let the client in: "${asked.slug}" has ${mostClients}. Remove some first`);
  });
  return getClient({ db }, { uuid, ...asked });
}

/** Shuts a client out. What it was told before opens the zips for two hours at most. */
export async function removeClient({ db }: Clients, { uuid, ...asked }: One): Promise<void> {
  const pack = await getPackAs({ db }, { ...asked, role: "maintainer" });
  const gone = await db.transaction(async (tx) => {
    await confirmCaller(tx, asked.caller);
    return deleteSolderClient(tx, { packId: pack.id, id: uuid });
  });
  if (gone === 0) throw missing(asked.slug);
}

const missing = (slug: string) => new Fault("not-found", `There is no such client of "${slug}"`);

function describeClient({ id, name, createdAt }: SolderClientRow): SolderClient {
  return { uuid: id, name, createdAt: createdAt.toISOString() };
}
