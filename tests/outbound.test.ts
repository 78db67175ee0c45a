import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { Fault } from "../fault.ts";
import {
  fetchOutbound,
  hostMatches,
  type OutboundOptions,
  parseHostPatterns,
  parseOutboundAllow,
} from "../outbound.ts";

/** A raw listener: counts connections and keeps request heads, so that "nothing was sent" is seen and not supposed. */
type Listener = {
  port: number;
  connections: number;
  open: number;
  heads: string[];
  reply: (path: string, socket: Socket) => void;
  close: () => Promise<void>;
};

const listeners: Listener[] = [];
const ok = (body: string, headers = "") =>
  `HTTP/1.1 200 OK\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;
const redirect = (location: string, status = 302) =>
  `HTTP/1.1 ${status} Elsewhere\r\nlocation: ${location}\r\ncontent-length: 0\r\n\r\n`;

async function listen({ host = "127.0.0.1", port = 0, tls }: ListenOptions = {}): Promise<Listener> {
  const sockets = new Set<Socket>();
  const onSocket = (socket: Socket) => {
    listener.connections++;
    listener.open++;
    sockets.add(socket);
    let head = "";
    socket.on("error", () => undefined);
    socket.on("close", () => {
      listener.open--;
      sockets.delete(socket);
    });
    socket.on("data", (bytes) => {
      const isFirst = !head.includes("\r\n\r\n");
      head += bytes.toString("latin1");
      if (!isFirst || !head.includes("\r\n\r\n")) return;
      listener.heads.push(head);
      listener.reply(head.split(" ")[1] ?? "", socket);
    });
  };
  const server: Server = tls ? createTlsServer(tls, onSocket) : createServer(onSocket);
  server.on("tlsClientError", () => undefined);
  const listener: Listener = {
    port: 0,
    connections: 0,
    open: 0,
    heads: [],
    reply: (_path, socket) => socket.end(ok("hello")),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
  await new Promise<void>((done, failed) => {
    server.once("error", failed);
    server.listen(port, host, done);
  });
  const address = server.address();
  listener.port = address !== null && typeof address === "object" ? address.port : 0;
  listeners.push(listener);
  return listener;
}

type ListenOptions = { host?: string; port?: number; tls?: { key: string; cert: string } };

afterAll(async () => {
  for (const listener of listeners) await listener.close();
});

const number = (octets: number[]) => octets.reduce((sum, octet) => sum * 256 + octet, 0);
const hex = (value: number, digits = 2) => value.toString(16).padStart(digits, "0");
const groups = ([a = 0, b = 0, c = 0, d = 0]: number[]) => `${hex(a)}${hex(b)}:${hex(c)}${hex(d)}`;

/** Ways to write one IPv4 address that a URL parser or a network may follow. */
const spellings: ((octets: number[]) => string)[] = [
  (octets) => octets.join("."),
  (octets) => String(number(octets)),
  (octets) => `0x${hex(number(octets), 8)}`,
  (octets) => octets.map((octet) => `0${octet.toString(8)}`).join("."),
  (octets) => `${octets[0]}.${number(octets.slice(1))}`,
  (octets) => `0x${hex(octets[0] ?? 0)}.${octets[1]}.${number(octets.slice(2))}`,
  (octets) => `${octets.join(".")}.`,
  (octets) => `[::ffff:${groups(octets)}]`,
  (octets) => `[::${groups(octets)}]`,
  (octets) => `[64:ff9b::${groups(octets)}]`,
  (octets) => `[2002:${groups(octets)}::1]`,
];

const limits = { maxBytes: 10_000, timeoutMs: 5_000 };

function open(listener: Listener, more: Partial<OutboundOptions> = {}): OutboundOptions {
  return { allow: parseOutboundAllow(`127.0.0.1:${listener.port}`), ...limits, ...more };
}

/** Fetches to the end; answers the bytes, or the code of the Fault. */
async function read(url: string, options: OutboundOptions): Promise<{ text?: string; code?: string; detail?: string }> {
  try {
    const answer = await fetchOutbound(url, options);
    const parts: Uint8Array[] = [];
    for await (const bytes of answer.body) parts.push(bytes);
    return { text: Buffer.concat(parts).toString() };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { code: error.code, detail: error.message };
  }
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 400; turn++) {
    if (isSo()) return;
    await Bun.sleep(5);
  }
  throw new Error(`Waited in vain: ${what}`);
}

describe("an address that is not public", () => {
  let trap: Listener;
  beforeAll(async () => {
    trap = await listen();
  });

  const hosts = [
    "127.0.0.1",
    "127.1",
    "0x7f000001",
    "2130706433",
    "0177.0.0.1",
    "127.255.255.254",
    "１２７.0.0.1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[fc00::1]",
    "[fd00::1]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[fec0::1]",
    "[ff02::1]",
    "[100::1]",
    "[4000::1]",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "198.18.0.1",
    "198.19.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "localhost",
    "localhost.",
    "a.localhost",
    "A.LOCALHOST.",
    "user@127.0.0.1",
    "user:password@127.0.0.1",
    "user@mods.example",
    "127.0.0.1.",
  ];
  for (const host of hosts) {
    test(`http://${host} is refused without a connection`, async () => {
      let asked = 0;
      // A resolver that would lead straight to the listener: nothing but the rules keeps it out.
      const resolve = async () => {
        asked++;
        return ["127.0.0.1"];
      };
      for (const scheme of ["http", "https"]) {
        const url = `${scheme}://${host}:${trap.port}/`;
        expect(await read(url, { allow: [], ...limits, resolve })).toMatchObject({ code: "not-allowed" });
      }
      expect(asked).toBe(0);
      expect(trap.connections).toBe(0);
    });
  }

  test("every address of a private range is refused, however it is spelled", async () => {
    const firstOctets = fc.constantFrom(
      [0],
      [10],
      [127],
      [169, 254],
      [192, 168],
      [172, 16],
      [100, 64],
      [198, 18],
      [224],
    );
    const rest = fc.array(fc.nat(255), { minLength: 4, maxLength: 4 });
    const spelled = fc.nat(spellings.length - 1);
    const property = fc.asyncProperty(firstOctets, rest, spelled, async (first, more, at) => {
      const host = spellings[at]?.([...first, ...more].slice(0, 4)) ?? "";
      const got = await read(`http://${host}:${trap.port}/`, {
        allow: [],
        ...limits,
        resolve: async () => ["127.0.0.1"],
      });
      expect(got).toMatchObject({ code: "not-allowed" });
    });
    await fc.assert(property, { numRuns: process.env.SUNDUK_LONG === "1" ? 20_000 : 200 });
    expect(trap.connections).toBe(0);
  });

  const urls = [
    ["file", "file:///etc/passwd"],
    ["gopher", "gopher://127.0.0.1/_x"],
    ["ftp", "ftp://127.0.0.1/x"],
    ["data", "data:text/plain,x"],
    ["a line break in the path", "http://mods.example/a\r\nx-injected: 1"],
    ["a tab in the host", "http://mods\t.example/"],
    ["a zero byte", "http://mods.example/\0"],
    ["nothing", ""],
    ["no host", "http://"],
    ["a relative address", "/etc/passwd"],
  ] as const;
  for (const [name, url] of urls) {
    test(`a URL with ${name} is refused without a question`, async () => {
      const resolve = async () => {
        throw new Error("asked");
      };
      expect(await read(url, { allow: [], ...limits, resolve })).toMatchObject({ code: "not-allowed" });
    });
  }

  const answers = [
    ["a private address (also what a CNAME ends at)", ["127.0.0.1"]],
    ["A public + A private", ["1.1.1.1", "127.0.0.1"]],
    ["A private + A public", ["127.0.0.1", "1.1.1.1"]],
    ["AAAA private + A public", ["fd00::1", "1.1.1.1"]],
    ["A public + AAAA mapped", ["1.1.1.1", "::ffff:127.0.0.1"]],
    ["AAAA with a zone", ["fe80::1%lo"]],
    ["something that is no address", ["127.1"]],
    ["a name", ["localhost"]],
  ] as const;
  for (const [name, addresses] of answers) {
    test(`a name that resolves to ${name} is refused without a connection`, async () => {
      const resolve = async () => [...addresses];
      const got = await read(`http://mods.example:${trap.port}/`, { allow: [], ...limits, resolve });
      expect(got).toMatchObject({ code: "not-allowed" });
      // The public text does not tell what our name servers know.
      expect(got.detail).not.toContain("127.0.0.1");
      expect(trap.connections).toBe(0);
    });
  }

  test("a name without an answer is unavailable, which may be tried again", async () => {
    const failing = async () => {
      throw new Error("NXDOMAIN");
    };
    expect(await read("http://mods.example/", { allow: [], ...limits, resolve: failing })).toMatchObject({
      code: "unavailable",
    });
    const empty = async () => [];
    expect(await read("http://mods.example/", { allow: [], ...limits, resolve: empty })).toMatchObject({
      code: "unavailable",
    });
  });
});

describe("what is allowed", () => {
  test("an allowed address at its port is fetched, at another port it is not", async () => {
    const [one, other] = [await listen(), await listen()];
    expect(await read(`http://127.0.0.1:${one.port}/`, open(one))).toEqual({ text: "hello" });
    expect(await read(`http://127.0.0.1:${other.port}/`, open(one))).toMatchObject({ code: "not-allowed" });
    expect(await read(`http://[::ffff:127.0.0.1]:${one.port}/`, open(one))).toMatchObject({ code: "not-allowed" });
    expect([one.connections, other.connections]).toEqual([1, 0]);
  });

  test("without a resolver of the caller's, names are asked of the system", async () => {
    const target = await listen();
    const allow = parseOutboundAllow(`localhost:${target.port}`);
    expect(await read(`http://localhost:${target.port}/`, { allow, ...limits })).toEqual({ text: "hello" });
  });

  test("an IPv6 address is connected to as it is", async () => {
    const target = await listen({ host: "::1" }).catch(() => undefined);
    if (!target) return console.warn("outbound: the check of IPv6 is skipped, this machine has no ::1");
    const allow = parseOutboundAllow(`[::1]:${target.port}`);
    expect(await read(`http://[::1]:${target.port}/`, { allow, ...limits })).toEqual({ text: "hello" });
    expect(target.heads[0]?.toLowerCase()).toContain(`host: [::1]:${target.port}`);
  });

  test("a range, and a name in OUTBOUND_ALLOW, open what they say", async () => {
    const target = await listen();
    const resolve = async () => ["127.0.0.1"];
    const url = `http://maven.lan:${target.port}/`;
    for (const text of ["127.0.0.0/8", "maven.lan", "MAVEN.lan.", `maven.lan:${target.port}`]) {
      expect(await read(url, { allow: parseOutboundAllow(text), ...limits, resolve })).toEqual({ text: "hello" });
    }
    for (const text of ["10.0.0.0/8", "other.lan", "lan", "maven.lan:1", "::1", "[::1]:9000"]) {
      const got = await read(url, { allow: parseOutboundAllow(text), ...limits, resolve });
      expect(got).toMatchObject({ code: "not-allowed" });
    }
    expect(target.connections).toBe(4);
  });

  test("a name in OUTBOUND_ALLOW does not open cloud metadata", async () => {
    const allow = parseOutboundAllow("maven.lan");
    for (const address of ["169.254.169.254", "fe80::1", "64:ff9b::7f00:1", "0.0.0.0", "::ffff:10.0.0.1"]) {
      const got = await read("http://maven.lan/", { allow, ...limits, resolve: async () => [address] });
      expect(got).toMatchObject({ code: "not-allowed" });
    }
  });

  test("parseOutboundAllow() says which entry is bad and how to write it", () => {
    expect(parseOutboundAllow("")).toEqual([]);
    expect(parseOutboundAllow(" , ")).toEqual([]);
    expect(parseOutboundAllow("10.0.0.0/8, 127.0.0.1:9000,maven.lan ,[fd00::1]:80, fd00::/8")).toHaveLength(5);
    const bad = [
      "10.0.0.0/33",
      "10/8",
      "127.1",
      "2130706433",
      "0x7f000001:80",
      "maven.lan:0",
      "maven.lan:65536",
      "maven.lan:x",
      "http://maven.lan",
      "maven.lan/x",
      "*.lan",
      "a b",
      "user@host",
      "fe80::1%eth0",
      ":80",
    ];
    for (const entry of bad) {
      expect(() => parseOutboundAllow(`10.0.0.0/8,${entry}`)).toThrow(
        `"${entry}" is neither a range nor a host; write`,
      );
    }
  });

  test("hostMatches() takes exact names and names beneath a pattern, nothing that only looks alike", () => {
    const patterns = parseHostPatterns("cdn.modrinth.com, *.forgecdn.net");
    for (const host of ["cdn.modrinth.com", "CDN.modrinth.com.", "edge.forgecdn.net", "a.b.forgecdn.net"]) {
      expect(hostMatches(host, patterns)).toBe(true);
    }
    const others = ["modrinth.com", "x.cdn.modrinth.com", "forgecdn.net", ".forgecdn.net", "evilforgecdn.net"];
    for (const host of [...others, "edge.forgecdn.net.evil.org", "cdn-modrinth.com", ""]) {
      expect(hostMatches(host, patterns)).toBe(false);
    }
    for (const entry of ["*", "*.", "a.*.org", "http://a.org", "*.1.2.3.4"]) {
      expect(() => parseHostPatterns(entry)).toThrow(`"${entry}" is no host`);
    }
  });
});

describe("one question, one address", () => {
  test("a name that answers public first and private later is asked once, and the first answer is connected to", async () => {
    const target = await listen();
    const trap = await listen({ host: "127.0.0.2", port: target.port });
    const answers = [["127.0.0.1"], ["127.0.0.2"]];
    let asked = 0;
    const resolve = async () => answers[asked++] ?? [];
    const url = `http://mods.example:${target.port}/a?b`;
    expect(await read(url, open(target, { resolve }))).toEqual({ text: "hello" });
    expect(asked).toBe(1);
    expect(target.heads[0]).toStartWith("GET /a?b HTTP/1.1\r\n");
    expect(target.heads[0]?.toLowerCase()).toContain(`\r\nhost: mods.example:${target.port}\r\n`);
    expect(target.heads[0]?.toLowerCase()).toContain("\r\naccept-encoding: identity\r\n");
    expect(trap.connections).toBe(0);
  });

  test("every redirect is vetted afresh: the same name, private by then, is refused", async () => {
    const target = await listen();
    const trap = await listen({ host: "127.0.0.2", port: target.port });
    target.reply = (_path, socket) => socket.end(redirect("/again"));
    const answers = [["127.0.0.1"], ["127.0.0.2"]];
    let asked = 0;
    const resolve = async () => answers[asked++] ?? [];
    const got = await read(`http://mods.example:${target.port}/`, open(target, { resolve }));
    expect(got).toMatchObject({ code: "not-allowed" });
    expect([asked, target.connections, trap.connections]).toEqual([2, 1, 0]);
  });

  test("an address that does not answer gives way to the next one", async () => {
    const target = await listen();
    const allow = parseOutboundAllow("127.0.0.0/8");
    const resolve = async () => ["127.0.0.3", "127.0.0.1"];
    const got = await read(`http://mods.example:${target.port}/`, { allow, ...limits, resolve });
    expect(got).toEqual({ text: "hello" });
  });

  test("a request that reached one address is not sent to the next", async () => {
    const target = await listen();
    target.reply = (_path, socket) => socket.destroy();
    const next = await listen({ host: "127.0.0.2", port: target.port });
    const allow = parseOutboundAllow("127.0.0.0/8");
    const resolve = async () => ["127.0.0.1", "127.0.0.2"];
    const got = await read(`http://mods.example:${target.port}/`, { allow, ...limits, resolve });
    expect(got).toMatchObject({ code: "unavailable" });
    expect([target.connections, next.connections]).toEqual([1, 0]);
  });

  test("connections are not kept and not shared", async () => {
    const target = await listen();
    target.reply = (_path, socket) => socket.write(ok("hello"));
    for (let turn = 0; turn < 3; turn++) await read(`http://127.0.0.1:${target.port}/`, open(target));
    expect(target.connections).toBe(3);
    await until("all closed", () => target.open === 0);
  });

  test("neither proxies nor a weakened TLS come from the environment", async () => {
    const [target, proxy] = [await listen(), await listen()];
    const script = `import { fetchOutbound, parseOutboundAllow } from "./outbound.ts";
      const answer = await fetchOutbound("http://127.0.0.1:${target.port}/", { allow: parseOutboundAllow("127.0.0.1"), maxBytes: 99, timeoutMs: 5000 });
      for await (const bytes of answer.body) process.stdout.write(bytes);`;
    const http = `http://127.0.0.1:${proxy.port}`;
    const child = Bun.spawn([process.execPath, "-e", script], {
      cwd: join(import.meta.dir, ".."),
      env: {
        ...process.env,
        HTTP_PROXY: http,
        http_proxy: http,
        ALL_PROXY: http,
        NO_PROXY: "",
        NODE_USE_ENV_PROXY: "1",
      },
      stdout: "pipe",
      timeout: 10_000,
    });
    expect(await child.stdout.text()).toBe("hello");
    expect([target.connections, proxy.connections]).toEqual([1, 0]);
  });
});

describe("redirects", () => {
  test("three are followed, the fourth is refused, and a circle ends", async () => {
    const target = await listen();
    target.reply = (path, socket) =>
      socket.end(path === "/0" ? ok("there") : redirect(`/${Number(path.slice(1)) - 1}`));
    const at = (path: string) => `http://127.0.0.1:${target.port}${path}`;
    const answer = await fetchOutbound(at("/3"), open(target));
    expect([answer.status, answer.url]).toEqual([200, at("/0")]);
    answer.close();
    expect(target.connections).toBe(4);
    expect(await read(at("/4"), open(target))).toMatchObject({ code: "not-allowed" });
    expect(await read(at("/1"), open(target, { maxRedirects: 0 }))).toMatchObject({ code: "not-allowed" });
    target.connections = 0;
    target.reply = (path, socket) => socket.end(redirect(path));
    expect(await read(at("/loop"), open(target))).toMatchObject({ code: "not-allowed" });
    expect(target.connections).toBe(4);
  });

  const places = [
    "http://127.0.0.2:PORT/",
    "//127.0.0.2:PORT/",
    "http://2130706434:PORT/",
    "http://[::1]:PORT/",
    "http://localhost:PORT/",
    "http://169.254.169.254/latest/meta-data/",
    "http://user@127.0.0.1:PORT/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:PORT/",
    "http://a\tb/",
  ];
  for (const place of places) {
    test(`a redirect to ${JSON.stringify(place)} is refused without a connection`, async () => {
      const target = await listen();
      const trap = await listen({ host: "127.0.0.2", port: target.port });
      target.reply = (_path, socket) => socket.end(redirect(place.replace("PORT", String(target.port))));
      const got = await read(`http://127.0.0.1:${target.port}/`, open(target));
      expect(got).toMatchObject({ code: "not-allowed" });
      expect([target.connections, trap.connections]).toEqual([1, 0]);
    });
  }

  test("on a change of origin only harmless headers go along", async () => {
    const [first, second] = [await listen(), await listen()];
    first.reply = (path, socket) =>
      socket.end(path === "/1" ? redirect("/2") : redirect(`http://127.0.0.1:${second.port}/3`));
    const headers = {
      Authorization: "Bearer secret",
      Cookie: "a=b",
      "X-Key": "secret",
      "User-Agent": "sunduk",
      Range: "bytes=0-9",
    };
    const allow = parseOutboundAllow("127.0.0.1");
    expect(await read(`http://127.0.0.1:${first.port}/1`, { allow, ...limits, headers })).toEqual({ text: "hello" });
    for (const head of first.heads) expect(head.toLowerCase()).toContain("authorization: bearer secret");
    const head = second.heads[0]?.toLowerCase() ?? "";
    expect(head).toContain("user-agent: sunduk");
    expect(head).toContain("range: bytes=0-9");
    for (const gone of ["secret", "authorization", "cookie"]) expect(head).not.toContain(gone);
  });

  test("what is posted is not carried to another origin, and becomes a GET after 303", async () => {
    const [first, second] = [await listen(), await listen()];
    const allow = parseOutboundAllow("127.0.0.1");
    const post = { allow, ...limits, method: "POST", body: "a=1", headers: { "content-type": "text/plain" } } as const;
    first.reply = (path, socket) => {
      if (path === "/away") socket.end(redirect(`http://127.0.0.1:${second.port}/`, 307));
      else if (path === "/303") socket.end(redirect("/end", 303));
      else socket.end(ok("end"));
    };
    expect(await read(`http://127.0.0.1:${first.port}/away`, post)).toMatchObject({ code: "not-allowed" });
    expect(second.connections).toBe(0);
    expect(await read(`http://127.0.0.1:${first.port}/303`, post)).toEqual({ text: "end" });
    expect(first.heads[1]).toStartWith("POST /303 ");
    expect(first.heads[1]).toContain("content-length: 3\r\n");
    expect(first.heads[2]).toStartWith("GET /end ");
    expect(first.heads[2]).not.toContain("content-");
  });

  test("the caller's headers can't change whom a request is for or where it ends", async () => {
    const target = await listen();
    const headers = {
      Host: "evil.example",
      "Content-Length": "5",
      "Transfer-Encoding": "chunked",
      Connection: "keep-alive",
      "Accept-Encoding": "gzip",
    };
    expect(await read(`http://127.0.0.1:${target.port}/`, open(target, { headers }))).toEqual({ text: "hello" });
    const head = target.heads[0]?.toLowerCase() ?? "";
    for (const gone of ["evil", "content-length", "transfer-encoding", "keep-alive", "gzip"])
      expect(head).not.toContain(gone);
    const split = { "x-a": "1\r\nx-b: 2" };
    await expect(fetchOutbound(`http://127.0.0.1:${target.port}/`, open(target, { headers: split }))).rejects.toThrow(
      TypeError,
    );
    expect(target.connections).toBe(1);
  });
});

describe("limits", () => {
  test("a declared 10 GB is refused before a byte is read", async () => {
    const target = await listen();
    target.reply = (_path, socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\nxxxx");
    await expect(fetchOutbound(`http://127.0.0.1:${target.port}/`, open(target))).rejects.toMatchObject({
      code: "too-large",
    });
    await until("closed", () => target.open === 0);
  });

  test("undeclared bytes are counted as they come, and the connection is cut at the limit", async () => {
    const target = await listen();
    let sentBytes = 0;
    target.reply = (_path, socket) => {
      const block = Buffer.alloc(16_384, "x");
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      const pour = () => {
        while (!socket.destroyed && sentBytes < 1e9) {
          sentBytes += block.length;
          if (!socket.write(block)) return void socket.once("drain", pour);
        }
      };
      pour();
    };
    let receivedBytes = 0;
    const answer = await fetchOutbound(`http://127.0.0.1:${target.port}/`, open(target, { maxBytes: 100_000 }));
    const reading = (async () => {
      for await (const bytes of answer.body) receivedBytes += bytes.length;
    })();
    await expect(reading).rejects.toMatchObject({ code: "too-large" });
    expect(receivedBytes).toBeLessThanOrEqual(100_000);
    await until("closed", () => target.open === 0);
    expect(sentBytes).toBeLessThan(50_000_000);
  });

  test("a body of exactly the limit passes, one byte more does not", async () => {
    const target = await listen();
    target.reply = (path, socket) =>
      socket.end(`HTTP/1.1 200 OK\r\n\r\n${"x".repeat(path === "/fits" ? 10_000 : 10_001)}`);
    const at = `http://127.0.0.1:${target.port}`;
    expect((await read(`${at}/fits`, open(target))).text).toHaveLength(10_000);
    expect(await read(`${at}/over`, open(target))).toMatchObject({ code: "too-large" });
  });

  test("a packed answer is refused, never unpacked", async () => {
    const target = await listen();
    const bomb = gzipSync(Buffer.alloc(5_000_000));
    target.reply = (_path, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`);
      socket.end(bomb);
    };
    expect(await read(`http://127.0.0.1:${target.port}/`, open(target))).toMatchObject({ code: "not-allowed" });
    await until("closed", () => target.open === 0);
  });

  test("a status is an answer, whatever its page looks like", async () => {
    const target = await listen();
    target.reply = (_path, socket) =>
      socket.write("HTTP/1.1 404 No\r\ncontent-encoding: gzip\r\ncontent-length: 99999\r\nx-a: 1\r\nx-a: 2\r\n\r\n");
    const answer = await fetchOutbound(`http://127.0.0.1:${target.port}/`, open(target));
    expect([answer.status, answer.headers.get("x-a")]).toEqual([404, "1, 2"]);
    answer.close();
    await until("closed", () => target.open === 0);
  });

  const silences: Record<string, (socket: Socket) => void> = {
    "says nothing": () => undefined,
    "sends a header byte by byte": (socket) => drip(socket, "HTTP/1.1 200 OK\r\nx-a: "),
    "sends its body byte by byte": (socket) => drip(socket, "HTTP/1.1 200 OK\r\n\r\n"),
    "promises more than it sends": (socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nx"),
    "sends only early hints": (socket) => drip(socket, "HTTP/1.1 103 Early Hints\r\n\r\n"),
  };
  for (const [name, reply] of Object.entries(silences)) {
    test(`a host that ${name} is left after timeoutMs, its connection closed`, async () => {
      const target = await listen();
      target.reply = (_path, socket) => reply(socket);
      const started = performance.now();
      const got = await read(`http://127.0.0.1:${target.port}/`, open(target, { timeoutMs: 150 }));
      expect(got).toMatchObject({ code: "unavailable" });
      expect(performance.now() - started).toBeLessThan(1_500);
      await until("closed", () => target.open === 0);
    });
  }

  test("an answer whose body nobody reads is closed after timeoutMs", async () => {
    const target = await listen();
    target.reply = (_path, socket) => drip(socket, "HTTP/1.1 200 OK\r\n\r\n");
    await fetchOutbound(`http://127.0.0.1:${target.port}/`, open(target, { timeoutMs: 150 }));
    await until("closed", () => target.open === 0);
  });

  test("a name server that never answers is left after timeoutMs", async () => {
    const resolve = () => Promise.withResolvers<string[]>().promise;
    const got = await read("http://mods.example/", { allow: [], maxBytes: 1, timeoutMs: 100, resolve });
    expect(got).toMatchObject({ code: "unavailable" });
  });

  test("leaving the loop closes the connection, and so does the caller's signal, with its reason", async () => {
    const target = await listen();
    target.reply = (_path, socket) => drip(socket, "HTTP/1.1 200 OK\r\n\r\nx");
    const url = `http://127.0.0.1:${target.port}/`;
    for await (const bytes of (await fetchOutbound(url, open(target))).body) {
      expect(bytes.length).toBeGreaterThan(0);
      break;
    }
    await until("closed", () => target.open === 0);
    const stopping = new AbortController();
    const answer = await fetchOutbound(url, open(target, { signal: stopping.signal }));
    const reading = (async () => {
      for await (const _bytes of answer.body) stopping.abort(new Error("pod stops"));
    })();
    await expect(reading).rejects.toThrow("pod stops");
    await until("closed", () => target.open === 0);
    await expect(fetchOutbound(url, open(target, { signal: stopping.signal }))).rejects.toThrow("pod stops");
    expect(target.connections).toBe(2);
  });

  const broken: Record<string, string> = {
    "ends before its content-length": "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nshort",
    "ends inside a chunk": "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nabc",
    "ends without a last chunk": "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "says nothing and hangs up": "",
    "speaks something else": "SSH-2.0-OpenSSH\r\n",
    "names two lengths": "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!",
    "changes the protocol": "HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nblah",
    "sends a megabyte of headers": `HTTP/1.1 200 OK\r\n${`x-a: ${"a".repeat(1_000)}\r\n`.repeat(1_000)}\r\n`,
  };
  for (const [name, bytes] of Object.entries(broken)) {
    test(`an answer that ${name} is unavailable, never a short body`, async () => {
      const target = await listen();
      target.reply = (_path, socket) => socket.end(bytes);
      expect(await read(`http://127.0.0.1:${target.port}/`, open(target))).toMatchObject({ code: "unavailable" });
    });
  }
});

test("a body without a length that ends in a reset is unavailable, never a short body", async () => {
  const target = await listen();
  target.reply = (_path, socket) => socket.write("HTTP/1.1 200 OK\r\n\r\nshort", () => socket.resetAndDestroy());
  expect(await read(`http://127.0.0.1:${target.port}/`, open(target))).toMatchObject({ code: "unavailable" });
});

function drip(socket: Socket, bytes: string): void {
  socket.write(bytes);
  const timer = setInterval(() => socket.write("x"), 10);
  socket.on("close", () => clearInterval(timer));
}

const openssl = Bun.which("openssl");
if (!openssl) console.warn("outbound: the checks of TLS are skipped, install openssl to run them");

describe.if(openssl !== null)("TLS", () => {
  const folder = mkdtempSync(join(tmpdir(), "sunduk-tls-"));
  const at = (name: string) => join(folder, name);
  const pem = (name: string) => readFileSync(at(name), "utf8");
  let target: Listener;

  beforeAll(async () => {
    const run = (...words: string[]) => {
      const done = Bun.spawnSync(["openssl", ...words], { cwd: folder });
      if (!done.success) throw new Error(done.stderr.toString());
    };
    const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    run("req", "-x509", ...ec, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test authority");
    run("req", ...ec, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=mods.example");
    writeFileSync(at("names"), "subjectAltName=DNS:mods.example\n");
    const sign = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"];
    run("x509", "-req", "-in", "request.pem", ...sign, "-out", "cert.pem");
    target = await listen({ tls: { key: pem("key.pem"), cert: pem("cert.pem") } });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const resolve = async () => ["127.0.0.1"];

  test("the certificate is checked against the name, though the connection goes to the address", async () => {
    const options = open(target, { resolve, ca: pem("ca.pem") });
    expect(await read(`https://mods.example:${target.port}/`, options)).toEqual({ text: "hello" });
    expect(await read(`https://mods.example.:${target.port}/`, options)).toEqual({ text: "hello" });
    for (const host of ["other.example", "x.mods.example", "127.0.0.1"]) {
      expect(await read(`https://${host}:${target.port}/`, options)).toMatchObject({ code: "unavailable" });
    }
    expect(target.heads).toHaveLength(2);
  });

  test("an unknown authority is refused, also right after a good connection and with a weakened environment", async () => {
    const url = `https://mods.example:${target.port}/`;
    target.heads = [];
    expect(await read(url, open(target, { resolve, ca: pem("ca.pem") }))).toEqual({ text: "hello" });
    expect(await read(url, open(target, { resolve }))).toMatchObject({ code: "unavailable" });
    const script = `import { fetchOutbound, parseOutboundAllow } from "./outbound.ts";
      await fetchOutbound("${url}", { allow: parseOutboundAllow("127.0.0.1"), maxBytes: 99, timeoutMs: 5000, resolve: async () => ["127.0.0.1"] })
        .then((answer) => answer.status, (error) => error.code).then(console.log);`;
    const child = Bun.spawn([process.execPath, "-e", script], {
      cwd: join(import.meta.dir, ".."),
      env: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: "0" },
      stdout: "pipe",
      stderr: "ignore",
      timeout: 10_000,
    });
    expect((await child.stdout.text()).trim()).toBe("unavailable");
    expect(target.heads).toHaveLength(1);
  });

  test("a redirect from https to http is refused without a connection", async () => {
    const plain = await listen();
    target.reply = (_path, socket) => socket.end(redirect(`http://mods.example:${plain.port}/`));
    const allow = parseOutboundAllow("127.0.0.1");
    const options = { allow, ...limits, resolve, ca: pem("ca.pem") };
    expect(await read(`https://mods.example:${target.port}/`, options)).toMatchObject({ code: "not-allowed" });
    expect(plain.connections).toBe(0);
  });
});
