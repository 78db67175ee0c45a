import { Elysia, t } from "elysia";
import { findJob, type JobRow } from "../../db/job.ts";
import { Fault } from "../../fault.ts";
import { logLevels } from "../../log.ts";
import type { Api } from "../api.ts";
import { escapeHtml, htmlPage, type Language, pickLanguage } from "../html-page.ts";
import { describeLine, searchLogLines } from "./logs.ts";
import { findOperator } from "./operators.ts";

const shownLines = 200;

const texts = {
  en: {
    title: "Job",
    back: "Back to the queues",
    state: "State",
    subject: "About",
    attempts: "Runs",
    wanted: "Asked for",
    problem: "Problem",
    trace: "Trace",
    lines: "What the log says of its trace, the newest first",
    none: "Nothing, or nothing any more.",
    cut: "There is more: sunduk logs --trace",
  },
  ru: {
    title: "Задание",
    back: "Назад к очередям",
    state: "Состояние",
    subject: "О чём",
    attempts: "Запусков",
    wanted: "Запрошено",
    problem: "Ошибка",
    trace: "Трасса",
    lines: "Что в журнале об этой трассе, новые строки первыми",
    none: "Ничего, или уже ничего.",
    cut: "Это не всё: sunduk logs --trace",
  },
} as const;

/** The page of one job for operators: its row, and what the log holds of the trace that it belongs to. Bull Board links here. */
export function jobPage(api: Api) {
  return new Elysia().get(
    "/ops/jobs/:id",
    async ({ params: { id }, request }) => {
      if (!(await findOperator(api, request)))
        return new Response(null, { status: 303, headers: { location: "/ops/sign-in", "cache-control": "no-store" } });
      const job = await findJob(api.db, id);
      if (!job) throw new Fault("not-found", "There is no such job, or none any more");
      const lines = job.traceId === null ? [] : await readLines(api, job.traceId);
      return renderPage(pickLanguage(request), { job, lines });
    },
    { params: t.Object({ id: t.String({ format: "uuid" }) }), detail: { hide: true } },
  );
}

async function readLines(api: Api, trace: string): Promise<string[]> {
  const { lines } = await searchLogLines(api, { trace, level: logLevels.debug, limit: shownLines });
  return lines.map((line) => {
    const { id: _id, time, level, service, msg = "", traceId: _trace, ...rest } = describeLine(line);
    return `${time} ${level.padEnd(5)} ${service} ${msg} ${JSON.stringify(rest)}`;
  });
}

function renderPage(language: Language, { job, lines }: { job: JobRow; lines: string[] }): Response {
  const text = texts[language];
  const facts: [string, string][] = [
    [text.state, job.state],
    [text.subject, job.subject],
    [text.attempts, String(job.attempts)],
    [text.wanted, job.createdAt.toISOString()],
    [text.problem, job.problem ? JSON.stringify(job.problem) : "—"],
    [text.trace, job.traceId ?? "—"],
  ];
  const list = facts.map(([name, value]) => `<dt>${name}</dt><dd>${escapeHtml(value)}</dd>`).join("\n");
  const shown = lines
    .slice(0, shownLines)
    .map((line) => `<li>${escapeHtml(line)}</li>`)
    .join("\n");
  const more = lines.length > shownLines ? `<p>${text.cut} ${job.traceId ?? ""}</p>` : "";
  return htmlPage({
    language,
    title: `${text.title}: ${job.actor}`,
    body: `<dl>${list}</dl>
<h2>${text.lines}</h2>
${lines.length === 0 ? `<p>${text.none}</p>` : `<ol>${shown}</ol>${more}`}
<p><a href="/ops/queues">${text.back}</a></p>`,
  });
}
