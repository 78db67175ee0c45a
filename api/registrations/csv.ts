import { listRegistrations, type RegistrationRow } from "../../db/registration.ts";
import type { Api } from "../api.ts";
import { writeLine } from "../csv.ts";

const columns = ["id", "login", "name", "state", "place", "occurrence", "startsAt", "registeredAt"] as const;
const pageRows = 500;

/** Registrations as CSV (RFC 4180), in pages, so that memory stays flat. */
export async function* exportRegistrations(
  { db }: Pick<Api, "db">,
  { eventId, occurrenceId, questions }: { eventId: string; occurrenceId: string | null; questions: string[] },
): AsyncGenerator<string> {
  yield writeLine([...columns, ...questions]);
  let after: string | null = null;
  for (;;) {
    const rows: RegistrationRow[] = await listRegistrations(db, {
      eventId,
      occurrenceId,
      state: null,
      after,
      limit: pageRows,
    });
    yield rows.map((row) => writeLine(describe(row, questions))).join("");
    after = rows.at(-1)?.id ?? null;
    if (rows.length < pageRows) return;
  }
}

function describe(row: RegistrationRow, questions: string[]): unknown[] {
  const { id, login, displayName, state, place, occurrenceId, answers } = row;
  const times = [row.startsAt.toISOString(), row.createdAt.toISOString()];
  return [
    id,
    login,
    displayName,
    state,
    place ?? "",
    occurrenceId,
    ...times,
    ...questions.map((key) => answers[key] ?? ""),
  ];
}
