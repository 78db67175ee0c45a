import type { Readable } from "node:stream";
import { Busboy } from "@fastify/busboy";
import { Fault } from "../../fault.ts";

/** How slowly bytes may come: so many in each window of waiting for them. */
export type Patience = { windowMs: number; leastBytes: number };

type Form<Taken> = {
  /** Of the file, which is the field `file`. */
  maxBytes: number;
  patience: Patience;
  /** Told of each other field, once it has come; fields may stand before and behind the file. */
  onField?: (name: string, value: string) => void;
  /** Takes the file as it comes; throws when its bytes break off. */
  take: (file: { name: string; bytes: AsyncIterable<Uint8Array> }) => Promise<Taken>;
};

/** Boundaries, part headers and fields that nobody reads. */
const aroundBytes = 64 * 1024;
const fields = 20;

/**
 * Reads a form (multipart/form-data, RFC 7578) with one file, as it comes: nothing is held but what is on its way. Answers
 * with what `take` made of the file, once the form has ended as a form ends. Throws `Fault("too-large")` at the first byte
 * past `maxBytes`, `Fault("malformed")` for what is no form, breaks off or comes too slowly, `Fault("invalid")` for another
 * number of files; then `take` has ended too.
 */
export async function readForm<Taken>(
  request: Request,
  { maxBytes, patience, onField, take }: Form<Taken>,
): Promise<Taken> {
  const announced = Number(request.headers.get("content-length") ?? 0);
  const tooLarge = () => new Fault("too-large", `Cannot take the file: it has more than ${maxBytes} bytes`);
  if (announced > maxBytes + aroundBytes) throw tooLarge();
  if (request.headers.has("content-encoding"))
    throw new Fault("malformed", "Cannot read the form: send it without Content-Encoding");
  const parser = openParser(request, maxBytes);
  const reader = (request.body ?? new Blob([]).stream()).getReader();
  let failure: unknown;
  let file: Readable | undefined;
  let taken: Promise<Taken> | undefined;
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => undefined); // told by whoever waits for it
  const fail = (reason: unknown) => {
    failure ??= reason;
    broken.reject(failure);
    // Whoever takes the file hears of it, and removes what he has.
    file?.destroy(failure instanceof Error ? failure : undefined);
  };
  const finished = new Promise<void>((resolve) => parser.once("finish", resolve));
  const failBroken = (cause: unknown) => fail(cause instanceof Fault ? cause : breaksOff(cause));
  parser.on("error", failBroken);
  if (onField) parser.on("field", onField);
  for (const limit of ["partsLimit", "fieldsLimit"] as const)
    parser.on(limit, () => fail(new Fault("malformed", `Cannot read the form: it has more than ${fields} fields`)));
  parser.on("filesLimit", () => fail(new Fault("invalid", "Cannot take the form: send one file in each")));
  parser.on("file", (field, stream, name) => {
    file = stream;
    stream.on("error", failBroken).once("limit", () => fail(tooLarge()));
    if (field !== "file") return fail(new Fault("invalid", 'Cannot take the form: its file is the field "file"'));
    taken = take({ name: cleanName(name), bytes: stream });
    taken.catch(fail);
  });
  try {
    await Promise.race([
      broken.promise,
      pump(reader, { parser, patience, maxBytes: maxBytes + aroundBytes, tooLarge }),
    ]);
    await Promise.race([broken.promise, finished]);
    if (!taken) throw new Fault("invalid", 'Cannot take the form: it has no file in the field "file"');
    return await taken;
  } catch (error) {
    fail(error);
    await taken?.catch(() => undefined);
    await reader.cancel().catch(() => undefined); // the connection may be gone
    parser.destroy();
    throw failure;
  }
}

function openParser(request: Request, maxBytes: number) {
  try {
    return new Busboy({
      headers: { "content-type": request.headers.get("content-type") ?? "" },
      limits: {
        files: 1,
        fileSize: maxBytes,
        fields,
        parts: fields + 1,
        fieldSize: 1024,
        headerPairs: 20,
        headerSize: 8192,
      },
    });
  } catch (cause) {
    throw new Fault("malformed", "Cannot read the form: send multipart/form-data", { cause });
  }
}

type Reader = { read: () => Promise<{ done: boolean; value?: Uint8Array | undefined }> };
type Pump = { parser: InstanceType<typeof Busboy>; patience: Patience; maxBytes: number; tooLarge: () => Fault };

/** Hands a body to the parser no faster than it takes it. What it takes longer for is not counted as the sender's delay. */
async function pump(reader: Reader, { parser, patience, maxBytes, tooLarge }: Pump): Promise<void> {
  const window = { waitedMs: 0, bytes: 0 };
  let total = 0;
  for (;;) {
    const { done, value } = await readInTime(reader, { window, patience });
    if (done || !value) break;
    total += value.byteLength;
    window.bytes += value.byteLength;
    if (total > maxBytes) throw tooLarge();
    await new Promise<void>((resolve, reject) => parser.write(value, (error) => (error ? reject(error) : resolve())));
  }
  parser.end();
}

type Window = { waitedMs: number; bytes: number };

/** The next chunk; `Fault("malformed")` when too little has come in a whole window of waiting, or the connection is gone. */
async function readInTime(reader: Reader, { window, patience }: { window: Window; patience: Patience }) {
  let timer: Timer | undefined;
  try {
    for (const next = reader.read(); ; ) {
      const start = performance.now();
      const late = new Promise<undefined>((resolve) => {
        timer = setTimeout(() => resolve(undefined), Math.max(0, patience.windowMs - window.waitedMs));
      });
      const read = await Promise.race([next, late]);
      clearTimeout(timer);
      window.waitedMs += performance.now() - start;
      if (window.waitedMs >= patience.windowMs) {
        if (window.bytes < patience.leastBytes && !read?.done)
          throw new Fault("malformed", "Cannot take the form: its bytes come too slowly");
        Object.assign(window, { waitedMs: 0, bytes: 0 });
      }
      if (read) return read;
    }
  } catch (cause) {
    throw cause instanceof Fault ? cause : breaksOff(cause);
  } finally {
    clearTimeout(timer);
  }
}

function breaksOff(cause: unknown): Fault {
  return new Fault("malformed", "Cannot read the form: it breaks off", { cause });
}

/** A file's name as somebody's program has sent it: without what controls, paths and half characters. */
function cleanName(name: string | undefined): string {
  const plain = (name ?? "").toWellFormed().replace(/[\p{Cc}/\\]/gu, "");
  return [...plain].slice(0, 120).join("") || "image";
}
