import { isReport, type ReportTable, reports } from "../db/analytics-report.ts";
import { type Every, listSchedules } from "../db/analytics-schedule.ts";
import { findSubjectById, listOrganizationSubjects } from "../db/analytics-subject.ts";
import type { Db } from "../db/query.ts";

const mostRows = 20;

const ru: Record<string, string> = {
  pack: "сборка",
  event: "событие",
  organization: "организация",
  user: "пользователь",
  versions: "версии",
  retention: "удержание",
  acquisition: "откуда приходят",
  day: "день",
  week: "неделя",
  views: "просмотры",
  visitors: "посетители",
  downloads: "скачивания",
  installs: "установки",
  updates: "обновления",
  launches: "запуски",
  version: "версия",
  percent: "%",
  step: "шаг",
  count: "число",
  kind: "вид",
  name: "имя",
  registrations: "регистрации",
  "check-ins": "отметки о приходе",
  playerDays: "игроко-дни",
  playerDaysPerInstall: "игроко-дней на установку",
  source: "откуда",
  client: "клиент",
};

type Asked = { userId: string; every: Every; from: Date; to: Date; locale: string };

/** The reports that somebody wants for a period, as text: of what he still runs. Empty when that is nothing any more. */
export async function writeReports(db: Db, { userId, every, from, to, locale }: Asked): Promise<string> {
  const word = (text: string) => (locale === "ru" ? (ru[text] ?? text) : text);
  const texts: string[] = [];
  for (const { report, subjectKind, subjectId } of await listSchedules(db, { userId, every })) {
    const subject = await findSubjectById(db, { kind: subjectKind, id: subjectId, userId });
    if (!subject?.isMine || !isReport(report)) continue;
    const subjects = subject.kind === "organization" ? await listOrganizationSubjects(db, subject.id) : [subject.id];
    const table = await reports[report].read(db, { subjects, from, to });
    const what = report === subject.kind ? "" : `, ${word(report)}`;
    texts.push(`${word(subject.kind)} ${subject.name}${what}\n\n${writeTable(table, word)}`);
  }
  return texts.join("\n\n");
}

function writeTable({ columns, rows }: ReportTable, word: (text: string) => string): string {
  if (rows.length === 0) return "-";
  const shown = rows.slice(0, mostRows).map((row) => row.map((cell) => word(String(cell ?? "-"))));
  const lines = [columns.map(word), ...shown].map((cells) => cells.join(" | "));
  return [...lines, ...(rows.length > mostRows ? ["…"] : [])].join("\n");
}
