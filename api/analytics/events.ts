import type { ReportedVersion } from "../../db/analytics-subject.ts";
import type { Caller } from "../tokens.ts";
import type { Seen } from "./collector.ts";
import type { KnownVersions } from "./known-versions.ts";
import type { NewEvent, Outcome } from "./model.ts";
import type { Analytics } from "./recorder.ts";
import { launcherOf, readAgent } from "./recorder.ts";
import { refusesCounting } from "./visitor.ts";

type Sent = { events: NewEvent[]; caller: Caller | null; request: Request; address: string };

/** Salts are kept for two days, so a later event could not be told from one that is repeated. */
const latestMs = 24 * 3600_000;
const aheadMs = 5 * 60_000;

/** Takes what a launcher tells, and says of each what became of it. Resolves when it is committed. */
export async function takeEvents(
  { versions, analytics }: { versions: KnownVersions; analytics: Analytics },
  { events, caller, request, address }: Sent,
): Promise<Outcome[]> {
  if (refusesCounting(request)) return events.map(() => "not-counted");
  const now = new Date();
  const asked = events.map(({ pack: slug, version }) => ({ slug, version }));
  const known = await versions.find(asked, caller);
  const agent = readAgent(request);
  const visitor = { address, agent, userId: caller?.userId ?? null };
  const seen: Seen[] = [];
  const outcomes = events.map((event): Outcome => {
    const row = known.get(`${event.pack} ${event.version}`);
    if (!row) return "unknown-subject";
    const at = event.at === undefined ? now : new Date(event.at);
    if (!(Math.abs(+now - +at) < latestMs) || +at - +now > aheadMs) return "out-of-time";
    seen.push({ ...visitor, at, ...describe(event, row), launcher: event.launcher ?? launcherOf(agent) });
    return "recorded";
  });
  await analytics.commit(seen);
  return outcomes;
}

function describe(event: NewEvent, { packId, version, channel }: ReportedVersion) {
  return {
    kind: event.kind,
    subject: { kind: "pack", id: packId },
    version,
    channel,
    format: event.kind === "launch" ? "" : (event.format ?? ""),
    source: event.kind === "update" ? event.from : "",
  };
}
