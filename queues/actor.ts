import { type Static, type TSchema, Type as t } from "@sinclair/typebox";
import type { Deps } from "../deps.ts";
import type { Log } from "../log.ts";

export { type Static, t };

/** What a handler is given: the checked payload, the deps it asked for, and a signal that it obeys. */
export type Run<Payload, Needs extends keyof Deps> = {
  payload: Payload;
  /** The revision this run settles: another run with the same one may be under way, or may be over. */
  wanted: number;
  deps: Pick<Deps, Needs>;
  signal: AbortSignal;
  /** 0 to 1; written at most four times a second. */
  progress: (share: number) => void;
  log: Log;
};

/** What a handler module exports as `handle`; what it resolves with becomes the job's result. */
export type Handle<Payload, Needs extends keyof Deps> = (
  run: Run<Payload, Needs>,
) => Promise<Record<string, unknown> | undefined>;

export type ActorDeclaration<Schema extends TSchema, Needs extends keyof Deps> = {
  /** File, queue and metric label. */
  name: string;
  /** Ids only: never secrets, never bytes. */
  payload: Schema;
  /** What a message is about: there is one job for each subject. */
  subject: (payload: Static<Schema>) => string;
  retry: { attempts: number; backoffMs: number };
  concurrency: number;
  timeoutMs: number;
  needs: readonly Needs[];
  /** Runs by itself so often (seconds; 0: never), besides on demand. */
  every?: (config: Deps["config"]) => number;
  handler: () => Promise<{ handle: Handle<Static<Schema>, Needs> }>;
};

/** An actor as the list of all actors holds it: payloads are checked when they arrive. */
export type Actor = Omit<ActorDeclaration<TSchema, keyof Deps>, "subject" | "handler"> & {
  subject: (payload: never) => string;
  handler: () => Promise<{ handle: (run: never) => Promise<Record<string, unknown> | undefined> }>;
};

/** Declares an actor. The handler is loaded only by a process that runs it. */
export function actor<Schema extends TSchema, Needs extends keyof Deps>(declaration: ActorDeclaration<Schema, Needs>) {
  return declaration;
}

/** A message: which job, at which revision. The row says the rest. */
export const Message = t.Object({ jobId: t.String({ format: "uuid" }), wanted: t.Integer({ minimum: 1 }) });
export type Message = Static<typeof Message>;
