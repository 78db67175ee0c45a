import { SMTPServer } from "smtp-server";
import { waitFor } from "./harness.ts";

/** A mail as a reader's program shows it. */
export type Received = { to: string; from: string; subject: string; text: string; messageId: string; raw: string };

export type MailServer = {
  url: string;
  port: number;
  /** What came, in order. */
  received: Received[];
  /** What to answer to a recipient, or after the data; nothing: yes. */
  refuse: { recipient?: number; data?: number };
  /** Names and passwords that were shown. */
  signIns: { user: string; password: string }[];
  /** Called when a mail has arrived and before it is acknowledged. */
  beforeAnswer: () => Promise<void>;
  /** Waits for a mail to somebody, beyond those that came before. */
  waitForMail: (to: string, subject?: RegExp) => Promise<Received>;
  close: () => Promise<void>;
};

type Options = {
  port?: number /** TLS from the start, under the self-signed certificate of smtp-server. */;
  secure?: boolean;
};

/** Starts npm's smtp-server on loopback. */
export async function startMailServer({ port = 0, secure = false }: Options = {}): Promise<MailServer> {
  const received: Received[] = [];
  const signIns: MailServer["signIns"] = [];
  const taken = new Set<Received>();
  const refusal = (code: number) => Object.assign(new Error("refused by the test"), { responseCode: code });
  const state: Pick<MailServer, "refuse" | "beforeAnswer"> = { refuse: {}, beforeAnswer: async () => undefined };
  const server = new SMTPServer({
    authOptional: true,
    allowInsecureAuth: true,
    onAuth: ({ username, password }, _session, done) => {
      signIns.push({ user: username ?? "", password: password ?? "" });
      if (password === "wrong") return done(new Error("wrong password"));
      done(null, { user: username ?? "" });
    },
    secure,
    hideSTARTTLS: true,
    disableReverseLookup: true,
    onRcptTo: (_address, _session, done) =>
      done(state.refuse.recipient === undefined ? null : refusal(state.refuse.recipient)),
    onData: (stream, session, done) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", async () => {
        if (state.refuse.data !== undefined) return done(refusal(state.refuse.data));
        const { mailFrom, rcptTo } = session.envelope;
        const from = mailFrom === false ? "" : mailFrom.address;
        const to = rcptTo.map(({ address }) => address).join(",");
        received.push({ ...readMail(Buffer.concat(chunks).toString("utf8")), from, to });
        await state.beforeAnswer();
        done();
      });
    },
  });
  server.on("error", () => undefined); // a client that goes away
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const address = server.server.address();
  const bound = typeof address === "object" && address ? address.port : 0;
  return Object.assign(state, {
    url: `${secure ? "smtps" : "smtp"}://127.0.0.1:${bound}`,
    port: bound,
    received,
    signIns,
    waitForMail: async (to: string, subject: RegExp = /./) => {
      const found = await waitFor(
        () => received.find((mail) => mail.to === to && subject.test(mail.subject) && !taken.has(mail)),
        `a mail to ${to} about ${subject}`,
      );
      taken.add(found);
      return found;
    },
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  });
}

function readMail(raw: string): Omit<Received, "to" | "from"> {
  const { header, text } = readPart(raw);
  return { subject: readWords(header("subject")), text, messageId: header("message-id"), raw };
}

/** A part of a mail (RFC 2045); of one that has parts itself, the text of the first. */
function readPart(raw: string): { header: (name: string) => string; text: string } {
  const at = raw.indexOf("\r\n\r\n");
  const headers = raw.slice(0, at).replace(/\r\n[ \t]+/g, " ");
  const header = (name: string) => new RegExp(`^${name}: (.*)$`, "im").exec(headers)?.[1] ?? "";
  const body = raw.slice(at + 4);
  const boundary = /^multipart\/.*boundary="?([^";]+)/i.exec(header("content-type"))?.[1];
  if (boundary !== undefined) {
    const first = body.split(`--${boundary}\r\n`)[1]?.split(`\r\n--${boundary}`)[0] ?? "";
    return { header, text: readPart(first).text };
  }
  const encoding = header("content-transfer-encoding").toLowerCase();
  const text =
    encoding === "base64"
      ? Buffer.from(body, "base64").toString("utf8")
      : encoding === "quoted-printable"
        ? readQuoted(body.replace(/=\r\n/g, ""))
        : body;
  return { header, text };
}

/** Encoded words of a header (RFC 2047). */
function readWords(value: string): string {
  return value
    .replace(/\?=\s+=\?/g, "?==?")
    .replace(/=\?utf-8\?([bq])\?([^?]*)\?=/gi, (_all, kind: string, word: string) =>
      kind.toLowerCase() === "b" ? Buffer.from(word, "base64").toString("utf8") : readQuoted(word.replaceAll("_", " ")),
    );
}

function readQuoted(text: string): string {
  const bytes = text.replace(/=([0-9A-F]{2})/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}

/** The token of the link in a mail. */
export function tokenOf({ text }: Received, purpose: "verify" | "reset"): string {
  const token = new RegExp(`/${purpose}#([\\w-]{43})`).exec(text)?.[1];
  if (!token) throw new Error(`no link to ${purpose} in: ${text}`);
  return token;
}
