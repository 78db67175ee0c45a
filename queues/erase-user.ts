import { actor, type Static, t } from "./actor.ts";

export const EraseUser = t.Object({ userId: t.String({ format: "uuid" }) });
export type EraseUser = Static<typeof EraseUser>;

/** Erases what is left of an account that was deleted so long ago that it cannot be had back. */
export const eraseUser = actor({
  name: "erase-user",
  payload: EraseUser,
  subject: ({ userId }) => userId,
  retry: { attempts: 5, backoffMs: 5_000 },
  concurrency: 1,
  timeoutMs: 10 * 60_000,
  needs: ["db", "storage", "bus"],
  handler: () => import("../workers/erase-user.ts"),
});
