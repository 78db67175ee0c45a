import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, scrypt } from "node:crypto";
import { Fault } from "../fault.ts";

/** Encrypts what a backup holds. Each stream is bound to the name it is stored under. */
export type Sealing = {
  close: (bytes: AsyncIterable<Uint8Array>, name: string) => AsyncGenerator<Uint8Array>;
  /** Throws `Fault("invalid")` when a byte was changed, or the end is missing. */
  open: (bytes: AsyncIterable<Uint8Array>, name: string) => AsyncGenerator<Uint8Array>;
  /** Proves, and hides: the same text has the same sign, which tells nothing of it. */
  sign: (text: string) => string;
};

const magic = Buffer.from("sunduk-sealed-1\n");
const saltBytes = 16;
const chunkBytes = 64 * 1024;
const tagBytes = 16;
const cost = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 ** 2 };

/** The key of a passphrase: scrypt (RFC 7914), which takes half a second and 128 MiB. */
export function deriveKey(passphrase: string, salt: Buffer): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  scrypt(passphrase, salt, 32, cost, (error, key) => (error ? reject(error) : resolve(key)));
  return promise;
}

/**
 * The STREAM construction (Hoang, Reyhanitabar, Rogaway and Vizár 2015), as age has it, with AES-256-GCM: magic and salt, then
 * chunks of 64 KiB with a tag each. A stream's key is derived from its salt (HKDF, RFC 5869); a chunk's nonce is its number
 * and whether it is the last one, so that chunks can be neither swapped nor left out. The name is authenticated too.
 */
export function openSealing(key: Buffer): Sealing {
  const keyFor = (purpose: string, salt: Uint8Array | string = "") =>
    Buffer.from(hkdfSync("sha256", key, salt, `sunduk backup ${purpose}`, 32));
  const signing = keyFor("sign");
  return {
    close: async function* (bytes, name) {
      const salt = randomBytes(saltBytes);
      const own = keyFor("stream", salt);
      yield Buffer.concat([magic, salt]);
      for await (const { chunk, number, last } of cut(bytes, chunkBytes)) {
        const cipher = createCipheriv("aes-256-gcm", own, nonceOf(number, last)).setAAD(Buffer.from(name));
        yield Buffer.concat([cipher.update(chunk), cipher.final(), cipher.getAuthTag()]);
      }
    },
    open: async function* (bytes, name) {
      let own: Buffer | undefined;
      for await (const { chunk, number, last } of cut(bytes, chunkBytes + tagBytes, magic.length + saltBytes)) {
        if (!own) {
          if (chunk.length < magic.length + saltBytes || !chunk.subarray(0, magic.length).equals(magic))
            throw damaged(name);
          own = keyFor("stream", chunk.subarray(magic.length));
          if (last) throw damaged(name);
          continue;
        }
        yield openChunk(chunk, { own, nonce: nonceOf(number - 1, last), name });
      }
    },
    sign: (text) => createHmac("sha256", signing).update(text).digest("hex"),
  };
}

/** How many bytes a stream has when it is sealed. */
export function sealedSize(sizeBytes: number): number {
  return magic.length + saltBytes + sizeBytes + tagBytes * Math.max(1, Math.ceil(sizeBytes / chunkBytes));
}

function openChunk(chunk: Buffer, { own, nonce, name }: { own: Buffer; nonce: Buffer; name: string }): Buffer {
  if (chunk.length < tagBytes) throw damaged(name);
  try {
    const decipher = createDecipheriv("aes-256-gcm", own, nonce, { authTagLength: tagBytes })
      .setAAD(Buffer.from(name))
      .setAuthTag(chunk.subarray(chunk.length - tagBytes));
    return Buffer.concat([decipher.update(chunk.subarray(0, chunk.length - tagBytes)), decipher.final()]);
  } catch (cause) {
    throw damaged(name, cause);
  }
}

function nonceOf(number: number, last: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(number), 3);
  nonce[11] = last ? 1 : 0;
  return nonce;
}

function damaged(name: string, cause?: unknown): Fault {
  return new Fault("invalid", `Cannot read ${name}: it was changed, cut off, or sealed for another place`, { cause });
}

/** The stream in pieces of one size (the first may have another), of which the last one is known. There is always one. */
async function* cut(
  bytes: AsyncIterable<Uint8Array>,
  size: number,
  firstSize = size,
): AsyncGenerator<{ chunk: Buffer; number: number; last: boolean }> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let number = 0;
  const wanted = () => (number === 0 ? firstSize : size);
  for await (const piece of bytes) {
    held.push(piece);
    heldBytes += piece.byteLength;
    if (heldBytes <= wanted()) continue;
    let rest = Buffer.concat(held);
    // More than one piece's worth is there, so this one is not the last.
    while (rest.length > wanted()) {
      const chunk = rest.subarray(0, wanted());
      rest = rest.subarray(wanted());
      yield { chunk, number, last: false };
      number += 1;
    }
    held = [rest];
    heldBytes = rest.length;
  }
  yield { chunk: Buffer.concat(held), number, last: true };
}
