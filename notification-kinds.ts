/** The ways that a person chooses among. Webhooks choose for themselves: each has a list of kinds. */
export const media = ["inbox", "mail", "telegram", "push"] as const;
export type Medium = (typeof media)[number];

/** Ids of what a notification is about. */
export type Subject = {
  packId?: string;
  versionId?: string;
  eventId?: string;
  occurrenceId?: string;
  registrationId?: string;
  organizationId?: string;
  /** An invitation, a transfer, a report, or who joined. */
  subjectId?: string;
};

export type KindDeclaration = {
  /** The media that are on for whoever has not chosen. */
  on: readonly Medium[];
  /** Neither muted nor switched off, and not put off by quiet hours or a digest. */
  critical: boolean;
  /** Waits for further changes, which take its place. */
  waits: boolean;
  /** Told by a mail of its own, from elsewhere. */
  mailedElsewhere: boolean;
  /** Of a group only the newest is true: an older one that comes late is not told. */
  newestOnly: boolean;
  /** What a newer one of the same group takes the place of, while it waits to be sent. */
  group: (subject: Subject) => string;
};

const ringing: readonly Medium[] = ["inbox", "telegram", "push"];
const kind = (
  on: readonly Medium[],
  group: (subject: Subject) => string,
  { critical = false, waits = false, newestOnly = false, mailedElsewhere = false } = {},
): KindDeclaration => ({ on, critical, waits, newestOnly, mailedElsewhere, group });

const pack = ({ packId }: Subject) => `pack:${packId}`;
const event = ({ eventId }: Subject) => `event:${eventId}`;
const registration = ({ registrationId }: Subject) => `registration:${registrationId}`;
const alone = ({ subjectId }: Subject) => `subject:${subjectId}`;

/** Every kind of notification: what is known of it besides its words, which are in `notification-texts.ts`. */
export const kinds = {
  "version.published": kind(ringing, pack),
  "version.yanked": kind(["inbox"], pack),
  "version.withdrawn": kind(["inbox"], pack),
  "version.publish-failed": kind(media, ({ versionId }) => `publish:${versionId}`),
  "version.broken": kind(media, ({ versionId }) => `broken:${versionId}`),
  "event.published": kind(ringing, ({ eventId }) => `event-new:${eventId}`),
  "event.changed": kind(media, event, { waits: true }),
  "event.cancelled": kind(media, event, { critical: true }),
  "registration.requested": kind(["inbox"], registration, { newestOnly: true }),
  "registration.confirmed": kind(media, registration, { newestOnly: true }),
  "registration.waitlisted": kind(["inbox", "mail"], registration, { newestOnly: true }),
  "registration.offered": kind(media, registration, { newestOnly: true }),
  "registration.declined": kind(media, registration, { newestOnly: true }),
  "registration.cancelled": kind(media, registration, { newestOnly: true }),
  "registration.offer-expired": kind(media, registration, { newestOnly: true }),
  "registration.to-approve": kind(["inbox", "mail"], ({ eventId }) => `to-approve:${eventId}`),
  "organization.invited": kind(media, alone),
  "organization.transfer-offered": kind(media, alone),
  "organization.member-joined": kind(["inbox"], ({ organizationId }) => `organization:${organizationId}`),
  "report.filed": kind(["inbox", "mail"], alone),
  "report.answered": kind(["inbox", "mail"], alone),
  "account.sign-in-changed": kind(ringing, alone, { critical: true, mailedElsewhere: true }),
  /** Asked for by whoever tries a webhook. */
  test: kind([], alone, { critical: true }),
} as const satisfies Record<string, KindDeclaration>;

export type Kind = keyof typeof kinds;

/** Those that people choose about. */
export const chosenKinds = Object.keys(kinds).filter(
  (name): name is Exclude<Kind, "test"> => name !== "test" && isKind(name),
);

export function isKind(name: string): name is Kind {
  return Object.hasOwn(kinds, name);
}
