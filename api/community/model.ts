import { Type as t } from "@sinclair/typebox";
import { type ReportKind, type ReportState, reportKinds, reportStates } from "../../db/report.ts";
import { PageQuery } from "../pages.ts";

const strict = { additionalProperties: false } as const;
const Time = t.String({ format: "date-time", description: "RFC 3339" });
const nextCursor = t.Union([t.String(), t.Null()]);

const FollowKind = t.Union([t.Literal("pack"), t.Literal("organization"), t.Literal("organizer")]);
export const FollowParams = t.Object({
  kind: FollowKind,
  id: t.String({ pattern: "^[a-z0-9-]{2,64}$", description: "Slug; of an organizer the user's id" }),
});
export const Follow = t.Object({
  kind: FollowKind,
  id: t.String({ description: "Slug; of an organizer the user's id" }),
  name: t.String(),
  since: Time,
});
export type Follow = typeof Follow.static;
export const Follows = t.Object({ items: t.Array(Follow), nextCursor });
export const PagedQuery = t.Object(PageQuery, strict);

/** What a report may be about; `other` says the rest in words. */
export const reasons = [
  "spam",
  "harassment",
  "hate",
  "sexual",
  "violence",
  "malware",
  "copyright",
  "privacy",
  "other",
] as const;
const Reason = t.Unsafe<(typeof reasons)[number]>(t.Union(reasons.map((reason) => t.Literal(reason))));
const Kind = t.Unsafe<ReportKind>(t.Union(reportKinds.map((kind) => t.Literal(kind))));
const State = t.Unsafe<ReportState>(t.Union(reportStates.map((state) => t.Literal(state))));
const Text = t.String({ maxLength: 5000, pattern: "^[^\\u0000]*$" });

export const NewReport = t.Object(
  {
    kind: Kind,
    id: t.String({
      pattern: "^[^\\u0000-\\u0020]{2,200}$",
      description: "Slug of a pack, organization or event; slug/version; id of an image, an album or a user",
    }),
    reason: Reason,
    text: t.Optional(Text),
  },
  strict,
);
export type NewReport = typeof NewReport.static;

export const Report = t.Object({
  id: t.String(),
  kind: Kind,
  subject: t.String({ description: "As the reporter named it" }),
  reason: t.String(),
  text: t.String(),
  state: State,
  answer: t.String(),
  createdAt: Time,
  settledAt: t.Union([Time, t.Null()]),
});
export type Report = typeof Report.static;
export const Reports = t.Object({ items: t.Array(Report), nextCursor });

/** A report as admins see it. */
export const FiledReport = t.Object({
  ...Report.properties,
  subjectId: t.String(),
  reporter: t.Union([t.String(), t.Null()]),
  handledBy: t.Union([t.String(), t.Null()]),
  sameSubject: t.Integer({ description: "Open reports of the same thing" }),
});
export type FiledReport = typeof FiledReport.static;
export const FiledReports = t.Object({ items: t.Array(FiledReport), nextCursor });
export const ReportQuery = t.Object({ state: t.Optional(State), ...PageQuery }, strict);
export const ReportParams = t.Object({ id: t.String({ format: "uuid" }) });
export const ReportAnswer = t.Object(
  {
    state: t.Union([t.Literal("resolved"), t.Literal("dismissed")]),
    answer: t.String({ minLength: 1, maxLength: 5000, pattern: "^[^\\u0000]*$", description: "The reporter reads it" }),
  },
  strict,
);
