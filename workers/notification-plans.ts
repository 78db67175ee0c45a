import {
  type Candidate,
  findApproval,
  findOwnEnd,
  findOwningOrganization,
  findReporter,
  listAdmins,
  listAuthors,
  listEventFollowers,
  listManagers,
  listOrganizers,
  listPackFollowers,
  listRegistrants,
  type Page,
} from "../db/notification-audience.ts";
import type { Db } from "../db/query.ts";
import type { Fact, FactKind } from "../facts.ts";
import { isKind, type Kind, type Subject } from "../notification-kinds.ts";
import { isToldField } from "../notification-texts.ts";

/** One way in which a fact concerns people: who, why, and what about. */
export type Plan = {
  kind: Kind;
  /** As notification.may_tell knows it. */
  reason: "self" | "follow" | "registered" | "organizer" | "manager" | "author" | "invited" | "admin" | "reporter";
  subject: Subject;
  fields: readonly string[];
  /** When it is another than its kind says. */
  groupKey?: string | undefined;
  /** Those concerned, in the order of user ids, after one. */
  list: (page: Page) => Promise<Candidate[]>;
};

/** Facts that concern people. */
export const notifiedFacts = [
  "version.published",
  "version.yanked",
  "version.withdrawn",
  "version.publish-failed",
  "version.broken",
  "event.published",
  "event.changed",
  "event.cancelled",
  "registration.requested",
  "registration.confirmed",
  "registration.waitlisted",
  "registration.offered",
  "registration.declined",
  "registration.cancelled",
  "registration.offer-expired",
  "organization.invited",
  "organization.transfer-offered",
  "organization.member-joined",
  "report.filed",
  "report.answered",
  "user.sign-in-changed",
] as const satisfies readonly FactKind[];

/** Says whom a fact concerns. */
export async function planNotifications(db: Db, fact: Fact): Promise<Plan[]> {
  const { kind, payload } = fact;
  switch (kind) {
    case "version.published":
    case "version.yanked":
    case "version.withdrawn": {
      const widely = kind === "version.published";
      const list = (page: Page) => listPackFollowers(db, { ...payload, widely, ...page });
      return [{ kind, reason: "follow", subject: payload, fields: [], list }];
    }
    case "version.publish-failed":
    case "version.broken": {
      const list = (page: Page) => listAuthors(db, { packId: payload.packId, ...page });
      return [{ kind, reason: "author", subject: payload, fields: [], list }];
    }
    case "event.published": {
      const list = (page: Page) => listEventFollowers(db, { ...payload, ...page });
      return [{ kind, reason: "follow", subject: payload, fields: [], list }];
    }
    case "event.changed":
    case "event.cancelled": {
      const { eventId, occurrenceId } = payload;
      const asked = { eventId, occurrenceId: occurrenceId ?? null, cancelled: kind === "event.cancelled" };
      const list = (page: Page) => listRegistrants(db, { ...asked, ...page });
      const fields = fact.kind === "event.changed" ? fact.payload.fields.filter(isToldField) : [];
      if (kind === "event.changed" && fields.length === 0) return [];
      // What is said of one occurrence does not take the place of what is said of the series.
      const groupKey = occurrenceId === undefined ? undefined : `occurrence:${occurrenceId}`;
      return [{ kind, reason: "registered", subject: { eventId }, fields, list, groupKey }];
    }
    case "organization.invited":
      return [planInvited(kind, { ...payload, subjectId: payload.invitationId })];
    case "organization.transfer-offered":
      return [planInvited(kind, { ...payload, subjectId: payload.transferId })];
    case "organization.member-joined": {
      const { organizationId, userId } = payload;
      const list = (page: Page) => listManagers(db, { organizationId, without: userId, ...page });
      return [{ kind, reason: "manager", subject: { organizationId, subjectId: userId }, fields: [], list }];
    }
    case "report.filed":
      return [
        {
          kind,
          reason: "admin",
          subject: { subjectId: payload.reportId },
          fields: [],
          list: (page) => listAdmins(db, page),
        },
      ];
    case "user.sign-in-changed": {
      const { userId } = payload;
      const subject = { subjectId: userId };
      return [{ kind: "account.sign-in-changed", reason: "self", subject, fields: [], list: only(userId) }];
    }
    case "report.answered": {
      const reporter = await findReporter(db, payload.reportId);
      const list = reporter ? only(reporter.userId) : nobody;
      return [{ kind, reason: "reporter", subject: { subjectId: payload.reportId }, fields: [], list }];
    }
    case "registration.requested":
    case "registration.confirmed":
    case "registration.waitlisted":
    case "registration.offered":
    case "registration.declined":
    case "registration.cancelled":
    case "registration.offer-expired":
      return planRegistration(db, { kind, payload });
    default:
      return [];
  }
}

type Invited = { organizationId: string; subjectId: string; userId: string };

function planInvited(kind: Kind, { organizationId, subjectId, userId }: Invited): Plan {
  return { kind, reason: "invited", subject: { organizationId, subjectId }, fields: [], list: only(userId) };
}

type OfRegistration = { eventId: string; occurrenceId: string; registrationId: string; userId: string };

/** The person, unless he did it himself; and where the organizer decides, who runs the event. */
async function planRegistration(db: Db, { kind, payload }: { kind: Kind; payload: OfRegistration }): Promise<Plan[]> {
  const { userId, ...subject } = payload;
  const { eventId, occurrenceId, registrationId } = subject;
  if (await findOwnEnd(db, registrationId)) return [];
  const person: Plan = {
    kind,
    reason: "registered",
    subject,
    fields: [],
    list: only(userId, { registrationId, occurrenceId }),
  };
  if (kind !== "registration.requested" || (await findApproval(db, eventId))?.approval !== "hand") return [person];
  const list = (page: Page) => listOrganizers(db, { eventId, ...page });
  return [person, { kind: "registration.to-approve", reason: "organizer", subject, fields: [], list }];
}

type Place = { registrationId: string; occurrenceId: string };

/** One person, on the first page. */
const only =
  (userId: string, { registrationId, occurrenceId }: Partial<Place> = {}): Plan["list"] =>
  async ({ after }) =>
    after < userId ? [{ userId, registrationId: registrationId ?? null, occurrenceId: occurrenceId ?? null }] : [];

const nobody: Plan["list"] = async () => [];

export type WebhookPlan = {
  kind: Kind;
  organizationId: string | null;
  packId: string | null;
  subject: Subject;
  fields: readonly string[];
};

/** What the webhooks of an organization and of a pack are told of a fact: it is about themselves, or something of theirs. */
export async function planWebhooks(db: Db, fact: Fact): Promise<WebhookPlan | undefined> {
  const { kind, payload } = fact;
  if (!isKind(kind)) return undefined;
  const subject = readIds(payload);
  const { packId = null, eventId = null } = subject;
  const organizationId =
    subject.organizationId ?? (await findOwningOrganization(db, { packId, eventId }))?.organizationId ?? null;
  if (organizationId === null && packId === null) return undefined;
  return { kind, organizationId, packId, subject, fields: fact.kind === "event.changed" ? fact.payload.fields : [] };
}

/** The ids of a fact's payload, by the names that subjects have. */
function readIds(payload: Fact["payload"]): Subject {
  const names = ["packId", "versionId", "eventId", "occurrenceId", "registrationId", "organizationId"] as const;
  const given = new Map<string, unknown>(Object.entries(payload));
  const subject: Subject = {};
  for (const name of names) {
    const id = given.get(name);
    if (typeof id === "string") subject[name] = id;
  }
  return subject;
}
