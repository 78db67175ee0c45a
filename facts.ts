import { type Static, type TSchema, Type as t } from "@sinclair/typebox";

const Id = t.String({ pattern: "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$" });
const of = <Properties extends Record<string, TSchema>>(properties: Properties) =>
  t.Object(properties, { additionalProperties: false });

const OfVersion = of({ packId: Id, versionId: Id });
const OfRegistration = of({ registrationId: Id, occurrenceId: Id, eventId: Id, userId: Id });

/** Every kind of fact that modules tell one another, with its payload: ids, and names of fields. Words are looked up when they are needed. */
export const facts = {
  "user.registered": of({ userId: Id }),
  /** The account was deleted, and can still be had back. */
  "user.hidden": of({ userId: Id }),
  /** Another password, second factor or provider. */
  "user.sign-in-changed": of({ userId: Id }),
  "user.deleted": of({ userId: Id }),
  "version.published": OfVersion,
  "version.yanked": OfVersion,
  "version.withdrawn": OfVersion,
  /** Its time had come, and it was not published: it is not complete, or nobody may. */
  "version.publish-failed": OfVersion,
  /** Stored bytes of one of its files are missing or changed. */
  "version.broken": OfVersion,
  "event.published": of({ eventId: Id }),
  /** Of the event, or of one occurrence: which fields are others now. */
  "event.changed": of({
    eventId: Id,
    occurrenceId: t.Optional(Id),
    fields: t.Array(t.String({ pattern: "^[a-zA-Z]{1,40}$" }), { maxItems: 40 }),
  }),
  /** The event, or one occurrence. */
  "event.cancelled": of({ eventId: Id, occurrenceId: t.Optional(Id) }),
  "registration.requested": OfRegistration,
  "registration.confirmed": OfRegistration,
  "registration.waitlisted": OfRegistration,
  "registration.offered": OfRegistration,
  "registration.declined": OfRegistration,
  "registration.cancelled": OfRegistration,
  "registration.offer-expired": OfRegistration,
  /** `userId`: who is invited, or who is offered the ownership. */
  "organization.invited": of({ organizationId: Id, invitationId: Id, userId: Id }),
  "organization.transfer-offered": of({ organizationId: Id, transferId: Id, userId: Id }),
  "organization.member-joined": of({ organizationId: Id, userId: Id }),
  "report.filed": of({ reportId: Id }),
  "report.answered": of({ reportId: Id }),
} as const;

export type FactKind = keyof typeof facts;
export type FactPayload<Kind extends FactKind> = Static<(typeof facts)[Kind]>;

/** Something that has happened: a kind and the ids of what it is about. */
export type Fact = { [Kind in FactKind]: { kind: Kind; payload: FactPayload<Kind> } }[FactKind];

export function isFactKind(kind: string): kind is FactKind {
  return Object.hasOwn(facts, kind);
}
