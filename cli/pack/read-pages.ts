import type { Static, TSchema } from "@sinclair/typebox";
import { type Client, readAnswer } from "../client.ts";
import { pageOf } from "../publish/answers.ts";

// A list that long is for a program with --query, not for eyes; it also bounds the number of calls.
const pagesShown = 20;

type Reading<Item extends TSchema> = {
  path: string;
  item: Item;
  query?: Record<string, string | undefined>;
  signal: AbortSignal;
};

/** All items of a list, page after page. */
export async function readPages<Item extends TSchema>(
  client: Client,
  { path, item, query = {}, signal }: Reading<Item>,
): Promise<Static<Item>[]> {
  const items: Static<Item>[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < pagesShown; page += 1) {
    const answer = await client.request("GET", path, { query: { ...query, limit: 100, cursor }, signal });
    const found = readAnswer(pageOf(item), answer.json);
    items.push(...found.items);
    cursor = found.nextCursor ?? undefined;
    if (cursor === undefined) break;
  }
  return items;
}
