import { findJobBySubject, type JobRow } from "../../db/job.ts";
import { listSolderMods, markSolder } from "../../db/solder.ts";
import { Fault } from "../../fault.ts";
import { planSolder, renderBuild, type SolderMod } from "../../formats/solder.ts";
import { buildSolder } from "../../queues/build-solder.ts";
import { want } from "../../queues/mailbox.ts";
import type { Api } from "../api.ts";
import { waitForResult } from "../jobs/wait.ts";
import { type Asker, getAskedPack, getRelease, isForAll, type Release } from "../launchers/releases.ts";
import { describeDownload, isAnswer } from "../versions/archives.ts";
import { makeBody } from "../versions/give.ts";
import type { Looked } from "../versions/public-answers.ts";
import { refuse } from "./asking.ts";
import { linkBase } from "./packs.ts";
import { makeTicket } from "./tickets.ts";

/** So long whoever asks first waits for the zips; afterwards he is told to come back. */
const patienceMs = 10_000;
const comeBackSeconds = 10;

type Asked = Asker & { token?: string | undefined; slug: string; build: string; full: boolean };

/** A build with the addresses of its zips, which are made when it is first asked for. */
export async function getBuild(api: Api, { token, build, full, ...asked }: Asked): Promise<Looked> {
  const release = await findBuild(api, { ...asked, ref: build });
  const mods = await getMods(api, release);
  const { pack, row, manifest } = release;
  const base =
    token === undefined
      ? pack.visibility === "private"
        ? `${api.publicUrl()}/solder/t/${makeTicket(api.seal, row.id)}`
        : `${api.publicUrl()}/solder`
      : `${linkBase(api, { token, slug: pack.slug })}/solder`;
  const text = renderBuild(manifest, { id: row.id, mods, mirror: `${base}/`, full });
  return {
    ...makeBody(text, "application/json"),
    isPublic: isForAll({ pack, link: asked.link }),
    download: describeDownload(release, "solder"),
  };
}

/** The version, or a refusal that says whether the pack or the build is not there for who asks. */
async function findBuild(api: Api, asked: Asker & { slug: string; ref: string }): Promise<Release> {
  try {
    return await getRelease(api, asked);
  } catch (error) {
    if (!(error instanceof Fault) || (error.code !== "not-found" && error.code !== "gone")) throw error;
    await getAskedPack(api, asked).catch(() => {
      throw refuse("Modpack does not exist");
    });
    throw refuse("Build does not exist");
  }
}

/** The zips of a version in the order of its plan. 409 when it cannot be packed, 503 while it is. */
async function getMods(api: Api, release: Release): Promise<SolderMod[]> {
  const { zips, missing } = planSolder(release.manifest);
  if (missing.length > 0)
    throw new Fault(
      "conflict",
      `This version cannot be had through Solder: ${missing.length} of its files are kept elsewhere. Its author has to publish it with --mirror`,
      { errors: missing.map((path) => ({ detail: path })) },
    );
  const look = async () => {
    const made = new Map((await listSolderMods(api.db, release.row.id)).map((mod) => [keyOf(mod), mod]));
    return zips.flatMap((zip) => made.get(keyOf(zip)) ?? []);
  };
  const mods = await look();
  if (mods.length === zips.length) return mods;
  await waitForZips(api, release);
  const packed = await look();
  if (packed.length < zips.length) throw comeBack();
  return packed;
}

async function waitForZips(api: Api, { pack, row }: Release): Promise<void> {
  const { db, mailbox } = api;
  const payload = { versionId: row.id };
  const known = await findJobBySubject(db, { actor: buildSolder.name, subject: buildSolder.subject(payload) });
  const running = known && isAnswer(known) ? known : undefined;
  if (running) requireBuilt(running);
  const message = running
    ? undefined
    : await db.transaction(async (tx) => {
        await markSolder(tx, pack.id);
        return want(tx, buildSolder, { payload });
      });
  if (message) await mailbox.send(buildSolder.name, message);
  await waitForResult(api, { id: message?.jobId ?? running?.id ?? "", timeoutMs: patienceMs });
}

/** Throws why a build has failed. */
function requireBuilt({ state, problem }: JobRow): void {
  if (state !== "failed") return;
  const detail = typeof problem?.detail === "string" ? problem.detail : "Cannot pack this version for Solder";
  throw new Fault(problem?.code === "conflict" ? "conflict" : "unavailable", detail);
}

const comeBack = () =>
  new Fault("unavailable", "This version is being packed for Solder: try again in a moment", {
    retryAfterSeconds: comeBackSeconds,
  });

const keyOf = ({ name, version }: { name: string; version: string }) => `${name} ${version}`;
