import { Elysia } from "elysia";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import type { Allowance } from "../rate-limits.ts";
import type { Caller } from "../tokens.ts";
import {
  acceptLink,
  acceptOwnInvitation,
  declineInvitation,
  invite,
  listOpenInvitations,
  listOwnInvitations,
  revokeInvitation,
} from "./invitations.ts";
import {
  InvitationParams,
  Invitations,
  InvitationToken,
  Joined,
  MadeInvitation,
  NewInvitation,
  NewTransfer,
  OrganizationParams,
  OwnInvitationParams,
  OwnInvitations,
  Transfer,
} from "./model.ts";
import {
  acceptTransfer,
  declineTransfer,
  getTransfer,
  listOwnTransfers,
  offerOwnership,
  withdrawTransfer,
} from "./transfer.ts";

/** What inviting somebody takes. */
const allowance = ({ config }: Api, { userId }: Caller): Allowance => ({
  name: "invitations",
  perMinute: config.LIMIT_INVITATIONS_PER_MINUTE,
  key: userId,
});

/** How people come in, and how an organization gets another owner. */
export function invitations(api: Api) {
  return new Elysia({ tags: ["organizations"] })
    .use(callers(api))
    .onBeforeHandle(({ set }) => {
      set.headers["cache-control"] = "private, no-store";
    })
    .post(
      "/v1/organizations/:slug/invitations",
      async ({ params: { slug }, body, caller, set, status }) => {
        const signedIn = requireCaller(caller);
        await api.rateLimits.take([allowance(api, signedIn)], set.headers);
        // No Idempotency-Key: an answer that is kept for being repeated would keep the token.
        return status(201, await invite(api, { caller: signedIn, slug, invitation: body }));
      },
      {
        params: OrganizationParams,
        body: NewInvitation,
        response: { 201: MadeInvitation },
        detail: { summary: "Invite somebody, or make a link that lets people in" },
      },
    )
    .get(
      "/v1/organizations/:slug/invitations",
      async ({ params: { slug }, caller }) => ({
        items: await listOpenInvitations(api, { caller: requireCaller(caller), slug }),
      }),
      { params: OrganizationParams, response: { 200: Invitations }, detail: { summary: "Open invitations" } },
    )
    .delete(
      "/v1/organizations/:slug/invitations/:id",
      async ({ params, caller, status }) => {
        await revokeInvitation(api, { caller: requireCaller(caller), ...params });
        return status(204, undefined);
      },
      { params: InvitationParams, detail: { summary: "Take an invitation back" } },
    )
    .get(
      "/v1/me/invitations",
      async ({ caller }) => {
        const signedIn = requireCaller(caller);
        return {
          items: await listOwnInvitations(api, signedIn),
          transfers: await listOwnTransfers(api, signedIn),
        };
      },
      { response: { 200: OwnInvitations }, detail: { summary: "What you are invited to, and offered to own" } },
    )
    .post(
      "/v1/me/invitations/:id/accept",
      ({ params: { id }, caller }) => acceptOwnInvitation(api, { caller: requireCaller(caller), id }),
      { params: OwnInvitationParams, response: { 200: Joined }, detail: { summary: "Join an organization" } },
    )
    .post(
      "/v1/me/invitations/:id/decline",
      async ({ params: { id }, caller, status }) => {
        await declineInvitation(api, { caller: requireCaller(caller), id });
        return status(204, undefined);
      },
      { params: OwnInvitationParams, detail: { summary: "Decline an invitation" } },
    )
    .post(
      "/v1/invitations/accept",
      ({ body: { token }, caller }) => acceptLink(api, { caller: requireCaller(caller), token }),
      { body: InvitationToken, response: { 200: Joined }, detail: { summary: "Join with what a link holds" } },
    )
    .use(transfers(api));
}

function transfers(api: Api) {
  return new Elysia({ prefix: "/v1/organizations/:slug/transfer", tags: ["organizations"] })
    .use(callers(api))
    .get("", ({ params: { slug }, caller }) => getTransfer(api, { caller: requireCaller(caller), slug }), {
      params: OrganizationParams,
      response: { 200: Transfer },
      detail: { summary: "The offer of ownership that stands" },
    })
    .post(
      "",
      async ({ params: { slug }, body: { login }, caller, set, status }) => {
        const signedIn = requireCaller(caller);
        await api.rateLimits.take([allowance(api, signedIn)], set.headers);
        return status(201, await offerOwnership(api, { caller: signedIn, slug, login }));
      },
      {
        params: OrganizationParams,
        body: NewTransfer,
        response: { 201: Transfer },
        detail: { summary: "Offer ownership to somebody, who has to accept" },
      },
    )
    .delete(
      "",
      async ({ params: { slug }, caller, status }) => {
        await withdrawTransfer(api, { caller: requireCaller(caller), slug });
        return status(204, undefined);
      },
      { params: OrganizationParams, detail: { summary: "Take the offer back" } },
    )
    .post(
      "/accept",
      async ({ params: { slug }, caller, status }) => {
        await acceptTransfer(api, { caller: requireCaller(caller), slug });
        return status(204, undefined);
      },
      { params: OrganizationParams, detail: { summary: "Become the owner" } },
    )
    .post(
      "/decline",
      async ({ params: { slug }, caller, status }) => {
        await declineTransfer(api, { caller: requireCaller(caller), slug });
        return status(204, undefined);
      },
      { params: OrganizationParams, detail: { summary: "Decline ownership" } },
    );
}
