import { Type as t } from "@sinclair/typebox";
import { Login } from "../accounts/model.ts";
import { Shown } from "../language.ts";
import { Line, Links } from "../me/model.ts";
import { Slug, Visibility } from "../packs/model.ts";
import { PageQuery } from "../pages.ts";

const strict = { additionalProperties: false } as const;
const Time = t.String({ format: "date-time", description: "RFC 3339" });
const Name = Line({ minLength: 1, maxLength: 100 });
const Markdown = t.String({ maxLength: 100_000, pattern: "^[^\\u0000]*$" });
const nextCursor = t.Union([t.String(), t.Null()]);

/** Markdown in Russian, English or both. */
export const Words = t.Object({ ru: t.Optional(Markdown), en: t.Optional(Markdown) }, strict);
export const Role = t.Union([t.Literal("owner"), t.Literal("manager"), t.Literal("member")]);
const GivenRole = t.Union([t.Literal("manager"), t.Literal("member")]);

export const OrganizationParams = t.Object({ slug: Slug });
export const OrganizationQuery = t.Object(
  {
    mine: t.Optional(t.Literal("true", { description: "Those whose member you are" })),
    query: t.Optional(t.String({ maxLength: 200, description: "Part of a name or slug" })),
    ...PageQuery,
  },
  strict,
);

export const NewOrganization = t.Object(
  {
    slug: Slug,
    name: Name,
    description: t.Optional(Words),
    links: t.Optional(Links),
    visibility: t.Optional(Visibility),
  },
  strict,
);
export type NewOrganization = typeof NewOrganization.static;

export const OrganizationChange = t.Object(
  {
    name: t.Optional(Name),
    description: t.Optional(Words),
    links: t.Optional(Links),
    visibility: t.Optional(Visibility),
  },
  { additionalProperties: false, minProperties: 1 },
);

export const DeleteOrganization = t.Object(
  {
    slug: Slug,
    transferTo: t.Optional(
      t.Union([t.Literal("me"), t.Object({ organization: Slug }, strict)], {
        description: "Who gets its packs, events and albums: you, or another organization that you manage",
      }),
    ),
  },
  strict,
);
export type DeleteOrganization = typeof DeleteOrganization.static;

export const Organization = t.Object({
  slug: t.String(),
  name: t.String(),
  description: Words,
  links: t.Record(t.String(), t.String()),
  visibility: Visibility,
  owner: t.Union([t.String(), t.Null()], { description: "Login; null while the account is hidden" }),
  role: t.Union([Role, t.Null()], { description: "The caller's" }),
  createdAt: Time,
  updatedAt: Time,
});
export type Organization = typeof Organization.static;
export const Organizations = t.Object({ items: t.Array(Organization), nextCursor });

export const Member = t.Object({
  userId: t.String(),
  login: t.String(),
  displayName: t.String(),
  role: Role,
  public: t.Boolean({ description: "Whether others see him here; the owner is seen by all who see the page" }),
  since: Time,
});
export type Member = typeof Member.static;
export const Members = t.Object({ items: t.Array(Member), nextCursor });
export const MemberQuery = t.Object(PageQuery, strict);
export const MemberParams = t.Object({ slug: Slug, userId: t.String({ format: "uuid" }) });
export const MemberChange = t.Object(
  {
    role: t.Optional(GivenRole),
    public: t.Optional(t.Boolean({ description: "Said by the member himself" })),
  },
  { additionalProperties: false, minProperties: 1 },
);

/** An organization's page: some of what this caller may see, and where the rest is. */
export const OrganizationPage = t.Object({
  ...Organization.properties,
  shown: t.Object({ description: t.Union([Shown, t.Null()]) }, { description: "By Accept-Language" }),
  followers: t.Integer(),
  following: t.Boolean(),
  members: t.Array(Member),
  packs: t.Array(t.Object({ slug: t.String(), name: t.String(), summary: t.String(), visibility: Visibility })),
  events: t.Array(
    t.Object({
      slug: t.String(),
      title: t.Object({ ru: t.Optional(t.String()), en: t.Optional(t.String()) }),
      state: t.String(),
      startsAt: Time,
    }),
  ),
  albums: t.Array(t.Object({ id: t.String(), title: t.String(), visibility: t.String() })),
  more: t.Object({ members: t.String(), packs: t.String(), events: t.String(), albums: t.String() }),
});

export const NewInvitation = t.Object(
  {
    login: t.Optional(Login),
    link: t.Optional(t.Literal(true, { description: "Instead of a login: a link for whoever has it" })),
    role: t.Optional(GivenRole),
    maxUses: t.Optional(t.Integer({ minimum: 1, maximum: 1000, description: "Of a link; 1 when not given" })),
    expiresAt: t.Optional(Time),
  },
  strict,
);
export type NewInvitation = typeof NewInvitation.static;

export const Invitation = t.Object({
  id: t.String(),
  organization: t.Object({ slug: t.String(), name: t.String() }),
  role: GivenRole,
  login: t.Union([t.String(), t.Null()], { description: "null: a link" }),
  createdBy: t.Union([t.String(), t.Null()]),
  createdAt: Time,
  expiresAt: Time,
  uses: t.Integer(),
  maxUses: t.Integer(),
});
export type Invitation = typeof Invitation.static;
export const MadeInvitation = t.Object({
  ...Invitation.properties,
  link: t.Optional(t.String({ description: "Shown only now; the token stands behind the #" })),
});
export const Invitations = t.Object({ items: t.Array(Invitation) });
export const InvitationParams = t.Object({ slug: Slug, id: t.String({ format: "uuid" }) });
export const OwnInvitationParams = t.Object({ id: t.String({ format: "uuid" }) });
export const InvitationToken = t.Object({ token: t.String({ minLength: 1, maxLength: 300 }) }, strict);
export const Joined = t.Object({ organization: t.String(), role: Role });

export const NewTransfer = t.Object({ login: Login }, strict);
export const Transfer = t.Object({
  organization: t.Object({ slug: t.String(), name: t.String() }),
  from: t.Union([t.String(), t.Null()]),
  to: t.String(),
  createdAt: Time,
  expiresAt: Time,
});
export type Transfer = typeof Transfer.static;
export const OwnInvitations = t.Object({ items: t.Array(Invitation), transfers: t.Array(Transfer) });
