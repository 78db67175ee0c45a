import { sha256, type TestUser } from "../tests/harness.ts";
import type { Bench } from "./bench.ts";
import { randomBytes } from "./content.ts";
import { compare, timeSeconds } from "./measure.ts";
import { openSystem } from "./system.ts";

const photos = 100;
const sizeBytes = 1.5 * 1024 ** 2;
const rounds = 5;
/** As a browser sends to one host. */
const atOnce = 6;

type Put = { url: string; headers: Record<string, string> };

/**
 * An album of photos: each is asked for, sent and handed over, against signed PUTs alone, whose addresses are there before.
 * Rendering is measured by itself (`thumbnails`): no pods run here.
 */
export const bench: Bench = {
  name: "photos",
  programs: {},
  run: async ({ folder, stack, report, note }) => {
    const system = await openSystem({ folder, stack }, { pods: 0 });
    const player = await system.signUp();
    const bytes = randomBytes(sizeBytes);
    let made = 0;
    /** Other bytes each time, since the storage of a cluster would notice. */
    const makePhoto = () => {
      new DataView(bytes.buffer).setUint32(0, ++made);
      return new Blob([bytes.slice()]);
    };
    const describe = async (photo: Blob) => ({
      size: photo.size,
      sha256: sha256(await photo.bytes()),
      name: "photo.jpg",
    });
    const openAll = async (path: string, chosen: Blob[]): Promise<Put[]> => {
      const opened: Put[] = [];
      for (const photo of chosen) opened.push(await open(player, { path, body: await describe(photo) }));
      return opened;
    };
    const ours = async () => {
      const chosen = Array.from({ length: photos }, makePhoto);
      const bodies = await Promise.all(chosen.map(describe));
      return timeSeconds(() =>
        eachAtOnce(photos, async (index) => {
          const { id, ...to } = await open(player, { path: "/v1/images", body: bodies[index] });
          await put(to, chosen[index]);
          const completed = await player.call("POST", `/v1/images/${id}/complete`);
          if (completed.status !== 202) throw new Error(`Cannot measure: not completed\n${completed.text}`);
        }),
      );
    };
    const theirs = async () => {
      const chosen = Array.from({ length: photos }, makePhoto);
      const opened = await openAll("/v1/uploads", chosen);
      return timeSeconds(() => eachAtOnce(photos, (index) => put(opened[index], chosen[index])));
    };
    note(`${photos} photos of 1.5 MiB, ${atOnce} at a time; without rendering`);
    const what = `upload of ${photos} photos, time`;
    const reference = "signed PUTs alone to the same store";
    report(await compare({ what, reference, unit: "s", aim: { atMost: 1.5 }, rounds, ours, theirs }));
  },
};

async function open(by: TestUser, { path, body }: { path: string; body: unknown }): Promise<Put & { id: string }> {
  const opened = await by.call("POST", path, { body });
  if (opened.status !== 201) throw new Error(`Cannot measure: ${path} opened nothing\n${opened.text}`);
  return opened.json;
}

async function put(to: Put | undefined, photo: Blob | undefined): Promise<void> {
  if (!to || !photo) throw new Error("Cannot measure: there is no such photo");
  const sent = await fetch(to.url, { method: "PUT", headers: to.headers, body: photo });
  if (!sent.ok) throw new Error(`Cannot measure: a photo was refused\n${await sent.text()}`);
}

async function eachAtOnce(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const drain = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, drain));
}
