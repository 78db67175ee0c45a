import { type Static, Type as t } from "@sinclair/typebox";
import { Slug } from "../packs/model.ts";
import { VersionName } from "../versions/model.ts";

const strict = { additionalProperties: false } as const;
const Word = t.String({ pattern: "^[a-z0-9][a-z0-9._-]{0,39}$" });
const about = {
  pack: Slug,
  version: VersionName,
  launcher: t.Optional(t.String({ ...Word, description: "In small letters; else the first word of User-Agent" })),
  at: t.Optional(
    t.String({ format: "date-time", description: "Within the last day: send it, and a repeated event counts once" }),
  ),
};

/** What a launcher may tell. */
export const NewEvent = t.Union([
  t.Object({ kind: t.Literal("install"), ...about, format: t.Optional(Word) }, strict),
  t.Object({ kind: t.Literal("update"), ...about, from: VersionName, format: t.Optional(Word) }, strict),
  t.Object({ kind: t.Literal("launch"), ...about }, strict),
]);
export type NewEvent = Static<typeof NewEvent>;
export const NewEvents = t.Object({ events: t.Array(NewEvent, { minItems: 1, maxItems: 100 }) }, strict);

const Outcome = t.Union([
  t.Literal("recorded"),
  t.Literal("unknown-subject"),
  t.Literal("out-of-time"),
  t.Literal("not-counted"),
]);
export type Outcome = Static<typeof Outcome>;
export const Outcomes = t.Object({
  results: t.Array(t.Object({ status: Outcome }), {
    description: "In the order of the events: not-counted when the request carries DNT: 1 or Sec-GPC: 1",
  }),
});

export const Metric = t.Union([
  t.Literal("views"),
  t.Literal("visitors"),
  t.Literal("downloads"),
  t.Literal("installs"),
  t.Literal("updates"),
  t.Literal("launches"),
  t.Literal("players"),
  t.Literal("sign-ins"),
  t.Literal("sign-ups"),
  t.Literal("registrations"),
  t.Literal("check-ins"),
]);
export type Metric = Static<typeof Metric>;

const Interval = t.Union([t.Literal("hour"), t.Literal("day"), t.Literal("week"), t.Literal("month")]);
const By = t.Union([
  t.Literal("version"),
  t.Literal("format"),
  t.Literal("launcher"),
  t.Literal("channel"),
  t.Literal("source"),
  t.Literal("subject"),
]);
export type By = Static<typeof By>;
export const isDimension = (name: string): name is By => By.anyOf.some((known) => known.const === name);
const Time = t.Union([t.String({ format: "date" }), t.String({ format: "date-time" })]);
const Value = t.Optional(t.String({ maxLength: 100 }));
const Output = t.Optional(t.Union([t.Literal("json"), t.Literal("csv")]));

const Subject = t.String({
  pattern: "^(site|(pack|event|organization|user):[A-Za-z0-9._-]{1,100})$",
  description:
    "pack:SLUG, event:SLUG, organization:SLUG (with its packs and events), user:LOGIN, or site for operators",
});

export const CountQuery = t.Object(
  {
    metric: Metric,
    subject: Subject,
    from: t.Optional(Time),
    to: t.Optional(Time),
    interval: t.Optional(Interval),
    by: t.Optional(
      t.String({
        pattern:
          "^(version|format|launcher|channel|source|subject)(,(version|format|launcher|channel|source|subject))?$",
        description:
          "One or two of version, format, launcher, channel, source, subject: the 50 largest, the rest as null",
      }),
    ),
    version: Value,
    format: Value,
    launcher: Value,
    channel: Value,
    source: Value,
    previous: t.Optional(t.Boolean({ description: "The same number of intervals before it as well" })),
    output: Output,
  },
  strict,
);
const Series = t.Array(t.Object({ start: t.String(), count: t.Integer() }));
const Group = t.Object({
  by: t.Record(t.String(), t.Union([t.String(), t.Null()])),
  count: t.Integer(),
  series: Series,
});
export type Group = Static<typeof Group>;
const Counted = { from: t.String(), to: t.String(), total: t.Integer(), groups: t.Array(Group) };
export const CountAnswer = t.Object({
  metric: Metric,
  subject: t.String(),
  interval: Interval,
  asOf: t.String({ description: "What happened before this time is counted" }),
  by: t.Array(By),
  ...Counted,
  previous: t.Optional(t.Object(Counted)),
});
export type CountAnswer = Static<typeof CountAnswer>;

export const ReportName = t.Union([
  t.Literal("pack"),
  t.Literal("versions"),
  t.Literal("event"),
  t.Literal("organization"),
  t.Literal("retention"),
  t.Literal("acquisition"),
]);
export const ReportParams = t.Object({ report: ReportName });
export const ReportQuery = t.Object(
  { subject: Subject, from: t.Optional(Time), to: t.Optional(Time), output: Output },
  strict,
);
export const Report = t.Object({
  report: ReportName,
  subject: t.String(),
  from: t.String(),
  to: t.String(),
  asOf: t.String(),
  columns: t.Array(t.String()),
  rows: t.Array(t.Array(t.Union([t.String(), t.Number(), t.Null()]))),
});
export type Report = Static<typeof Report>;

export const Schedules = t.Object(
  {
    items: t.Array(
      t.Object(
        { every: t.Union([t.Literal("week"), t.Literal("month")]), report: ReportName, subject: Subject },
        strict,
      ),
      { maxItems: 20 },
    ),
  },
  strict,
);
export type Schedules = Static<typeof Schedules>;
