import { renderSVG } from "uqr";
import { findRegistration, findRegistrationOf } from "../../db/registration.ts";
import { changeRegistration, type RegistrationState } from "../../db/seats.ts";
import { useServerToken } from "../../db/server-token.ts";
import { hashToken, isSameSecret } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import type { Caller } from "../tokens.ts";
import type { FullRegistration } from "./model.ts";
import { changeState, getRegistration, requireOrganizer } from "./service.ts";

const purpose = "check-in";

/** What a person shows at the door: the registration's id and a MAC of it (HMAC-SHA-256), as text and as a QR code. */
export async function getCode(
  api: Pick<Api, "db" | "seal">,
  { caller, slug, id }: { caller: Caller; slug: string; id: string },
): Promise<{ code: string; svg: string }> {
  const { person, state } = await getRegistration(api, { caller, slug, id });
  if (person.id !== caller.userId) throw new Fault("not-allowed", "Not allowed: a code is for the person it names");
  if (state !== "confirmed" && state !== "checked-in")
    throw new Fault("conflict", `Cannot make a code: the registration is ${state}`);
  const code = `${id}.${api.seal.derive(purpose, id)}`;
  return { code, svg: renderSVG(code) };
}

/** Checks in whoever shows a code, for an organizer who scans it. 422 when it is not one of ours. */
export async function checkInByCode(
  api: Pick<Api, "db" | "bus" | "seal">,
  { caller, slug, code }: { caller: Caller; slug: string; code: string },
): Promise<FullRegistration> {
  await requireOrganizer(api.db, { caller, slug });
  const [id = "", mac = ""] = code.trim().split(".");
  const known = isSameSecret(mac, api.seal.derive(purpose, id));
  if (!known || !(await findRegistration(api.db, { slug, id })))
    throw new Fault("invalid", "Cannot check in: this code is not one of this event");
  return changeState(api, { caller, slug, id, action: "check-in" });
}

/** Checks in a player whom a game server has seen join. Whoever is not confirmed is told as he is, and not checked in. */
export async function checkInByServer(
  api: Pick<Api, "db" | "bus">,
  { slug, token, login }: { slug: string; token: string; login: string },
): Promise<{ state: RegistrationState; changed: boolean }> {
  const tokenHash = hashToken(token);
  const server = await useServerToken(api.db, { tokenHash, slug });
  if (!server) throw new Fault("not-signed-in", "Cannot check in: the token is not one of this event's servers");
  const found = await findRegistrationOf(api.db, { eventId: server.eventId, login: login.toLowerCase() });
  const changed =
    found &&
    (await changeRegistration(api.db, {
      id: found.id,
      expected: ["confirmed", "no-show"],
      target: "checked-in",
      reason: "joined",
      actorId: null,
    }));
  if (!changed) throw new Fault("not-found", `"${login}" is not registered for this event`);
  return { state: changed.state, changed: changed.changed };
}
