import { Fault } from "../../fault.ts";
import { defineCommand, usageFault } from "../arguments.ts";
import { type Client, readAnswer, requestOrMissing } from "../client.ts";
import { formatBytes, type Output } from "../output.ts";
import { type Missing, PublishAnswer, Version } from "../publish/answers.ts";
import { tellChanges } from "../publish/changes.ts";
import { type Changes, type HashedPack, hashFiles } from "../publish/files.ts";
import { checkChoice, checkSlug, checkTime, checkVersion, slugFromName } from "../publish/names.ts";
import { uploadMissing } from "../publish/upload.ts";
import { waitForJob, waitUntilVerified } from "../publish/wait.ts";
import { readSource } from "../source/index.ts";

const usage =
  "pack publish PATH [--slug S] [--version V] [--channel C] [--visibility V] [--changelog FILE] [--mirror] [--at TIME] [--dry-run]";
const channels = ["release", "beta", "alpha"];
const visibilities = ["private", "unlisted", "public"];

/** `sunduk pack publish`: reads a pack, uploads what the server lacks, publishes a version and waits for it. */
export const command = defineCommand({
  name: "pack publish",
  usage,
  summary: "Publish a pack: a packwiz folder, an .mrpack, or a folder with sunduk.toml",
  options: {
    slug: { type: "string" },
    version: { type: "string" },
    channel: { type: "string" },
    visibility: { type: "string" },
    changelog: { type: "string" },
    mirror: { type: "boolean" },
    at: { type: "string" },
    "dry-run": { type: "boolean" },
  },
  positionals: ["PATH"],
  async run({ values, positionals: [path], output, signal, client }) {
    output.result({
      ok: true,
      ...(await publishPath(path, { values, output, signal, client: await checked(values, client) })),
    });
  },
});

export type PublishValues = {
  slug?: string | undefined;
  version?: string | undefined;
  channel?: string | undefined;
  visibility?: string | undefined;
  changelog?: string | undefined;
  mirror?: boolean | undefined;
  /** RFC 3339: when the version is to be published by itself. */
  at?: string | undefined;
  "dry-run"?: boolean | undefined;
};

/** What `pack publish` tells programs; sizes in bytes. */
export type PublishResult = {
  slug: string;
  version: string;
  channel: string;
  files: number;
  changes: Changes | undefined;
} & (
  | { dryRun: true; upload: { path: string; sha256: string; size: number }[]; uploadBytes: number }
  | { address: string; uploadedBytes: number; alreadyPublished: boolean; publishAt?: string }
);

type PublishOptions = { values: PublishValues; client: Client; output: Output; signal: AbortSignal };

// Wrong options are told before anything is asked of a server.
function checked(values: PublishValues, open: () => Promise<Client>): Promise<Client> {
  checkChoice(values.channel, { option: "--channel", allowed: channels, usage });
  checkChoice(values.visibility, { option: "--visibility", allowed: visibilities, usage });
  if (values.at !== undefined) checkTime(values.at, usage);
  return open();
}

/** Publishes what lies under `path` and tells people on the way. Faults: those of reading the source and of the server. */
export async function publishPath(
  path: string,
  { values, client, output, signal }: PublishOptions,
): Promise<PublishResult> {
  const changelog = values.changelog === undefined ? undefined : await readChangelog(values.changelog);
  const source = await readSource(path, { signal });
  try {
    const slug = values.slug ?? source.slug ?? slugFromName(source.name);
    const version = values.version ?? source.version;
    if (slug === undefined) {
      throw usageFault(`Name the pack: "${source.name}" gives no address; use --slug with a-z, 0-9 and -`, usage);
    }
    checkSlug(slug, usage);
    if (version === undefined) throw usageFault("Name the version: the pack tells none; use --version", usage);
    checkVersion(version, usage);
    const channel = values.channel ?? source.channel;
    const references = source.files.filter((file) => file.reference).length;
    output.say(output.text.packRead(source.name, version, source.files.length, references));
    const hashed = await hashFiles(source, { output, signal });
    const flow = { client, output, signal, slug, version, channel };
    const known = await findPack(flow);
    const { manifest, changes } = await tellChanges(flow, { known, hashed });
    if (values["dry-run"]) return tellDryRun(flow, { hashed, manifest, changes });
    if (!known) {
      const visibility = values.visibility ?? "private";
      output.say(output.text.newPack(slug, visibility));
      await createPack(flow, { name: source.name, summary: source.summary, visibility });
    }
    const draft = await createVersion(flow, {
      minecraft: source.minecraft,
      loader: source.loader,
      ...source.settings,
      ...(changelog === undefined ? {} : { changelog }),
      ...(values.mirror ? { mirror: true } : {}),
      files: hashed.files,
    });
    const alreadyPublished = isPublished(draft);
    const missing = draft.missing ?? [];
    // Of a published version: what was damaged in the storage is sent again.
    const { uploadedBytes, publishAt } =
      alreadyPublished && missing.length === 0
        ? { uploadedBytes: 0, publishAt: undefined }
        : await finishVersion(flow, { hashed, missing, alreadyPublished, at: values.at });
    const address = `${client.server}/v1/packs/${slug}`;
    const { text } = output;
    if (alreadyPublished) output.say(text.alreadyPublished(slug, version));
    else output.say(publishAt ? text.publishesAt(slug, version, publishAt) : text.published(slug, version, address));
    if (publishAt === undefined)
      output.say(text.installWith(`sunduk pack install ${slug}@${version} DIR --server ${client.server}`));
    return {
      slug,
      version,
      channel,
      address,
      files: hashed.files.length,
      uploadedBytes,
      alreadyPublished,
      ...(publishAt !== undefined && { publishAt }),
      changes,
    };
  } finally {
    await source.close();
  }
}

type Flow = {
  client: Client;
  output: Output;
  signal: AbortSignal;
  slug: string;
  version: string;
  channel: string;
};

async function readChangelog(path: string): Promise<string> {
  const file = Bun.file(path);
  if (!(await file.exists())) throw new Fault("not-found", `Read the changelog: there is no ${path}`);
  return file.text();
}

async function findPack({ client, slug, signal }: Flow): Promise<boolean> {
  return (await requestOrMissing(client, `/v1/packs/${slug}`, { signal })) !== undefined;
}

function tellDryRun(
  flow: Flow,
  { hashed, manifest, changes }: Awaited<ReturnType<typeof tellChanges>> & { hashed: HashedPack },
): PublishResult {
  const there = new Set(manifest?.files.map((file) => file.digests.sha256));
  const wanted = [...hashed.bytes].filter(([sha256]) => !there.has(sha256));
  const uploadBytes = wanted.reduce((sum, [, file]) => sum + file.sizeBytes, 0);
  flow.output.say(flow.output.text.wouldUpload(wanted.length, formatBytes(uploadBytes)));
  return {
    dryRun: true,
    slug: flow.slug,
    version: flow.version,
    channel: flow.channel,
    files: hashed.files.length,
    upload: wanted.map(([sha256, file]) => ({ path: file.path, sha256, size: file.sizeBytes })),
    uploadBytes,
    changes,
  };
}

async function createPack(
  { client, slug, signal }: Flow,
  { name, summary, visibility }: { name: string; summary: string | undefined; visibility: string },
): Promise<void> {
  const body = { slug, name, visibility, ...(summary === undefined ? {} : { summary }) };
  await client.request("POST", "/v1/packs", { body, signal, idempotencyKey: crypto.randomUUID() });
}

async function createVersion({ client, slug, version, channel, signal }: Flow, terms: object): Promise<Version> {
  const answer = await client.request("POST", `/v1/packs/${slug}/versions`, {
    body: { version, channel, ...terms },
    signal,
    idempotencyKey: crypto.randomUUID(),
  });
  return readAnswer(Version, answer.json);
}

function isPublished(version: Version): boolean {
  return version.state === "published" || typeof version.publishedAt === "string";
}

type Finishing = {
  hashed: HashedPack;
  missing: Missing[];
  alreadyPublished: boolean;
  at: string | undefined;
};

async function finishVersion(
  flow: Flow,
  { hashed, missing: told, alreadyPublished, at }: Finishing,
): Promise<{ uploadedBytes: number; publishAt: string | undefined }> {
  // Several paths may hold the same bytes: they go over the line once.
  const missing = [...new Map(told.map((file) => [file.sha256, file])).values()];
  const { client, output, signal, slug, version } = flow;
  const path = `/v1/packs/${slug}/versions/${encodeURIComponent(version)}`;
  const missingBytes = missing.reduce((sum, file) => sum + file.size, 0);
  output.say(
    missing.length === 0
      ? output.text.nothingToUpload
      : output.text.toUpload(missing.length, formatBytes(missingBytes)),
  );
  const uploadedBytes =
    missing.length === 0 ? 0 : await uploadMissing(client, { missing, bytes: hashed.bytes, output, signal });
  await waitUntilVerified(client, { path, bytes: hashed.bytes, output, signal });
  if (alreadyPublished) return { uploadedBytes, publishAt: undefined };
  const asked = { signal, idempotencyKey: crypto.randomUUID(), ...(at !== undefined && { body: { at } }) };
  const answer = await client.request("POST", `${path}/publish`, asked);
  // The same publish, repeated after an interruption, may find the version finished.
  if (answer.status !== 202) return { uploadedBytes, publishAt: undefined };
  const { job, publishAt } = readAnswer(PublishAnswer, answer.json);
  if (job) await waitForJob(client, { id: job.id, output, signal });
  return { uploadedBytes, publishAt };
}
