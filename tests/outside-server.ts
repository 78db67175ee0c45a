import { createDecipheriv, createECDH, createHmac, hkdfSync } from "node:crypto";
import { waitFor } from "./harness.ts";

export type Came = { method: string; path: string; headers: Headers; body: Buffer; json: any };

/** What an outside service is asked for, and what it answers. */
export type OutsideServer = {
  url: string;
  /** What came, in order. */
  came: Came[];
  /** The status for a path; 200 else. */
  answers: Map<string, number>;
  /** What the bot was told, for getUpdates. */
  updates: object[];
  /** Called when a request has arrived and before it is answered. */
  beforeAnswer: () => Promise<void>;
  /** Waits for requests whose path begins so, at least so many. */
  waitFor: (path: string, count?: number) => Promise<Came[]>;
  close: () => Promise<void>;
};

export const botToken = "12345:bot-token-of-the-test";

/** Stands in, on loopback, for receivers of webhooks, Discord, the Bot API of Telegram and a push service. */
export function startOutsideServer(): OutsideServer {
  const came: Came[] = [];
  const answers = new Map<string, number>();
  const state: Pick<OutsideServer, "updates" | "beforeAnswer"> = { updates: [], beforeAnswer: async () => undefined };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      const body = Buffer.from(await request.arrayBuffer());
      const isJson = request.headers.get("content-type")?.includes("json");
      const json = isJson ? JSON.parse(body.toString()) : undefined;
      came.push({ method: request.method, path: pathname, headers: request.headers, body, json });
      await state.beforeAnswer();
      const status = answers.get(pathname) ?? 200;
      if (!pathname.startsWith("/bot")) return new Response(null, { status });
      if (pathname.endsWith("/getUpdates")) {
        const offset = json.offset ?? 0;
        const result = state.updates.filter((update) => (update as { update_id: number }).update_id >= offset);
        return Response.json({ ok: true, result });
      }
      if (pathname.endsWith("/getMe")) return Response.json({ ok: true, result: { id: 1, username: "chest_bot" } });
      if (status === 200) return Response.json({ ok: true, result: { message_id: came.length } });
      return Response.json({ ok: false, error_code: status, description: "refused by the test" }, { status });
    },
  });
  const find = (path: string) => came.filter((request) => request.path.startsWith(path));
  return Object.assign(state, {
    url: `http://127.0.0.1:${server.port}`,
    came,
    answers,
    waitFor: (path: string, count = 1) =>
      waitFor(() => find(path).length >= count && find(path), `${count} requests to ${path}`),
    close: () => server.stop(true),
  });
}

/** A browser's side of Web Push: its subscription, and what it makes of a message (RFC 8291, 3.4, and RFC 8188). */
export function makeBrowser(endpoint: string) {
  const curve = createECDH("prime256v1");
  const p256dh = curve.generateKeys();
  const auth = crypto.getRandomValues(Buffer.alloc(16));
  const subscription = { endpoint, keys: { p256dh: p256dh.toString("base64url"), auth: auth.toString("base64url") } };
  const read = (message: Buffer): any => {
    const salt = message.subarray(0, 16);
    const idLength = message.readUInt8(20);
    const serverKey = message.subarray(21, 21 + idLength);
    const info = Buffer.concat([Buffer.from("WebPush: info\0"), p256dh, serverKey]);
    const secret = createHmac("sha256", auth).update(curve.computeSecret(serverKey)).digest();
    const ikm = createHmac("sha256", secret)
      .update(info)
      .update(Buffer.from([1]))
      .digest();
    const key = Buffer.from(hkdfSync("sha256", ikm, salt, "Content-Encoding: aes128gcm\0", 16));
    const nonce = Buffer.from(hkdfSync("sha256", ikm, salt, "Content-Encoding: nonce\0", 12));
    const record = message.subarray(21 + idLength);
    const decipher = createDecipheriv("aes-128-gcm", key, nonce).setAuthTag(record.subarray(-16));
    const padded = Buffer.concat([decipher.update(record.subarray(0, -16)), decipher.final()]);
    return JSON.parse(padded.subarray(0, padded.lastIndexOf(2)).toString());
  };
  return { subscription, read };
}
