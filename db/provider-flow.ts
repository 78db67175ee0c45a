import { type Db, one, run } from "./query.ts";

/** What a sign-in through a provider is for: to sign in, to link, or the code of a second factor that is still to come. */
export type FlowPurpose = "sign-in" | "link" | "second-factor";

export type ProviderFlow = {
  stateHash: string;
  provider: string;
  purpose: FlowPurpose;
  bindingHash: string;
  userId: string | null;
  sessionId: string | null;
  returnTo: string;
};
type Key = Pick<ProviderFlow, "stateHash" | "bindingHash" | "provider">;

const columns = `provider, purpose, user_id as "userId", session_id as "sessionId", return_to as "returnTo"`;
export type FoundFlow = Pick<ProviderFlow, "provider" | "purpose" | "userId" | "sessionId" | "returnTo">;

export function insertProviderFlow(db: Db, flow: ProviderFlow, lifetimeSeconds: number): Promise<number> {
  return run(db, {
    name: "provider_flow_insert",
    text: `insert into account.provider_flow (state_hash, provider, purpose, binding_hash, user_id, session_id, return_to, expires_at)
      values ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(secs => $8))`,
    values: [
      flow.stateHash,
      flow.provider,
      flow.purpose,
      flow.bindingHash,
      flow.userId,
      flow.sessionId,
      flow.returnTo,
      lifetimeSeconds,
    ],
  });
}

/** A flow of this browser that has not expired. */
export function findProviderFlow(db: Db, { stateHash, bindingHash, provider }: Key): Promise<FoundFlow | undefined> {
  return one<FoundFlow>(db, {
    name: "provider_flow_find",
    text: `select ${columns} from account.provider_flow
      where state_hash = $1 and binding_hash = $2 and provider = $3 and expires_at > now()`,
    values: [stateHash, bindingHash, provider],
  });
}

/** Takes a flow out: whoever gets it is the only one. Undefined when it was taken, has expired, or is another browser's. */
export function takeProviderFlow(db: Db, { stateHash, bindingHash, provider }: Key): Promise<FoundFlow | undefined> {
  return one<FoundFlow>(db, {
    name: "provider_flow_take",
    text: `delete from account.provider_flow
      where state_hash = $1 and binding_hash = $2 and provider = $3 and expires_at > now() returning ${columns}`,
    values: [stateHash, bindingHash, provider],
  });
}

/** Forgets flows that nobody has ended in time. */
export function deleteOldProviderFlows(db: Db): Promise<number> {
  return run(db, {
    name: "provider_flow_delete_old",
    text: `delete from account.provider_flow where expires_at < now()`,
  });
}
