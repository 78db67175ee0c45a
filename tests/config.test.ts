import { afterAll, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Config, ConfigError, readConfig } from "../config.ts";

const folder = await mkdtemp(join(tmpdir(), "sunduk-config-"));
let written = 0;
afterAll(() => rm(folder, { recursive: true, force: true }));

async function write(text: string): Promise<string> {
  const path = join(folder, `${++written}.toml`);
  await writeFile(path, text);
  return path;
}

/** The lines that tell what is wrong, without the first. */
function complaintsOf(read: () => unknown): string[] {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error instanceof Error
      ? error.message
          .split("\n")
          .slice(1)
          .map((line) => line.trim())
      : [];
  }
  return [];
}

test("readConfig() has a default for everything that has no secret in it", () => {
  const config = readConfig({ environment: {} });
  expect([config.HOST, config.PORT, config.PODS]).toEqual(["127.0.0.1", 8080, 2]);
  expect(config.TRUSTED_PROXIES).toEqual([]);
  for (const name of [
    "SIGNING_KEY",
    "TOKEN_SECRET",
    "STORAGE_SECRET",
    "METRICS_TOKEN",
    "S3_SECRET_KEY",
    "DATABASE_URL",
  ])
    expect(name in config).toBe(false);
});

test("readConfig() reads numbers, lists and texts from the environment", () => {
  const config = readConfig({
    environment: {
      PORT: "0",
      SWEEP_MAX_SHARE: "0.25",
      MIRROR_HOSTS: " cdn.example , , files.example:8443 ",
      PUBLIC_URL: "https://packs.example",
      PATH: "/bin",
    },
  });
  expect(config).toMatchObject({ PORT: 0, SWEEP_MAX_SHARE: 0.25, PUBLIC_URL: "https://packs.example" });
  expect(config.MIRROR_HOSTS).toEqual(["cdn.example", "files.example:8443"]);
  expect("PATH" in config).toBe(false);
});

test("an empty variable counts as none", () => {
  expect(readConfig({ environment: { PORT: "", PUBLIC_URL: "" } })).toMatchObject({ PORT: 8080 });
  expect("PUBLIC_URL" in readConfig({ environment: { PUBLIC_URL: "" } })).toBe(false);
});

test("every setting can come from a file named by NAME_FILE, without the line's end", async () => {
  const path = await write("a secret of a file\n");
  const config = readConfig({ environment: { TOKEN_SECRET_FILE: path, PORT_FILE: await write("9000\n") } });
  expect([config.TOKEN_SECRET, config.PORT]).toEqual(["a secret of a file", 9000]);
  expect(complaintsOf(() => readConfig({ environment: { TOKEN_SECRET_FILE: join(folder, "none") } }))).toEqual([
    expect.stringMatching(/^TOKEN_SECRET_FILE: cannot read .*none/),
  ]);
});

test("the TOML file gives what the environment does not, in lower or upper case", async () => {
  const file = await write('port = 9000\nMIRROR_HOSTS = ["a.example", "b.example"]\npods = 3\nsweep_max_share = 0.5\n');
  const config = readConfig({ environment: { PODS: "5" }, file });
  expect([config.PORT, config.PODS, config.SWEEP_MAX_SHARE]).toEqual([9000, 5, 0.5]);
  expect(config.MIRROR_HOSTS).toEqual(["a.example", "b.example"]);
});

test("all problems are told at once, each by the setting's name and what was found", async () => {
  const file = await write('prot = 1\nlimit_pack_files = "many"\ncolour = "red"\n');
  const complaints = complaintsOf(() =>
    readConfig({ environment: { PORT: "80a", PODS: "0", LOG_LEVEL: "loud", REGISTRATION: "maybe" }, file }),
  );
  for (const name of ["PORT", "PODS", "LOG_LEVEL", "REGISTRATION", "LIMIT_PACK_FILES"])
    expect(complaints.filter((line) => line.startsWith(`${name}:`)).length).toBe(1);
  expect(complaints.find((line) => line.startsWith("PORT:"))).toContain('found "80a"');
  expect(complaints.filter((line) => line.includes("unknown setting")).length).toBe(2);
  expect(complaints.length).toBe(7);
});

test.each([
  ["PORT", "65536"],
  ["PORT", "-1"],
  ["PORT", "80.5"],
  ["PORT", "0x50"],
  ["PORT", "1e3"],
  ["PODS", "65"],
  ["LIMIT_BODY_BYTES", "0"],
  ["SWEEP_MAX_SHARE", "1.5"],
  ["PART_BYTES", "1024"],
])("%s=%s is refused", (name, value) => {
  expect(complaintsOf(() => readConfig({ environment: { [name]: value } }))).toEqual([
    expect.stringMatching(new RegExp(`^${name}: `)),
  ]);
});

test("a misspelt setting in the file is told with the one that was meant", async () => {
  const file = await write('public_ur = "https://a.example"\ntrustedproxies = []\n');
  const complaints = complaintsOf(() => readConfig({ environment: {}, file }));
  expect(complaints).toEqual([
    expect.stringContaining('unknown setting "public_ur": did you mean PUBLIC_URL'),
    expect.stringContaining('unknown setting "trustedproxies": did you mean TRUSTED_PROXIES?'),
  ]);
});

test.each([
  "packs.example",
  "ftp://packs.example",
  "https://packs.example/",
  "https://packs.example/path",
  "https://packs.example?x=1",
  "https://",
  "http://256.256.256.256",
])("PUBLIC_URL=%s is no address", (value) => {
  expect(complaintsOf(() => readConfig({ environment: { PUBLIC_URL: value } }))).toEqual([
    expect.stringMatching(/^PUBLIC_URL: must look like https:\/\/host/),
  ]);
});

test("who tells about loaders is an address, of a mirror too, or nobody", () => {
  const complaints = (url: string) => complaintsOf(() => readConfig({ environment: { FABRIC_META_URL: url } }));
  for (const url of ["no", "ftp://meta.example", "https://", "https://a@meta.example", "https://meta.example?x=1"])
    expect(complaints(url)).toEqual([`FABRIC_META_URL: must look like https://host, or be off, found ${url}`]);
  for (const url of ["off", "https://mirror.example/fabric-meta", "http://10.0.0.1:8080"])
    expect(readConfig({ environment: { FABRIC_META_URL: url } }).FABRIC_META_URL).toBe(url);
});

test("public addresses are kept as browsers and games write them", () => {
  const environment = { PUBLIC_URL: "https://Сундук.рф:443", PUBLIC_URL_ALIASES: "http://Old.Example:8080" };
  const { PUBLIC_URL, PUBLIC_URL_ALIASES } = readConfig({ environment });
  expect([PUBLIC_URL, PUBLIC_URL_ALIASES]).toEqual(["https://xn--d1amhpkc.xn--p1ai", ["http://old.example:8080"]]);
});

test("addresses of the parts are looked at, and passwords in them are not repeated", () => {
  const environment = {
    DATABASE_URL: "localhost:5432 hunter2",
    REDIS_URL: "http://hunter2@redis",
    PUBLIC_URL_ALIASES: "https://old.example,old.example",
  };
  const complaints = complaintsOf(() => readConfig({ environment }));
  expect(complaints).toEqual([
    "PUBLIC_URL_ALIASES: must look like https://host or http://host:port, found old.example",
    "DATABASE_URL: must look like postgres://user:password@host:port/database",
    "REDIS_URL: must look like redis://host:port",
  ]);
});

test("a mail server is named as an address, with a sender; its password is not repeated", () => {
  const wrong = [
    "mail.example:587 hunter2",
    "http://mail.example",
    "smtp://",
    "smtps://user:hunter2@",
    "smtp://a:hunter2@b:x",
  ];
  for (const SMTP_URL of wrong) {
    const complaints = complaintsOf(() => readConfig({ environment: { SMTP_URL, MAIL_FROM: "a@b.example" } }));
    expect(complaints).toEqual(["SMTP_URL: must look like smtps://user:password@host:port or smtp://host:port"]);
  }
  const complaints = complaintsOf(() => readConfig({ environment: { SMTP_URL: "smtps://a:b@mail.example" } }));
  expect(complaints).toEqual(["MAIL_FROM: is needed with SMTP_URL"]);
});

test("settings that need each other are told together", () => {
  const environment = { S3_ENDPOINT: "minio:9000", S3_ACCESS_KEY: "key", S3_PUBLIC_ENDPOINT: "https://s3.example/x" };
  const complaints = complaintsOf(() => readConfig({ environment }));
  expect(complaints.map((line) => line.split(":")[0])).toEqual(["S3_ENDPOINT", "S3_ENDPOINT", "S3_PUBLIC_ENDPOINT"]);
});

test("a file that is not TOML, or not there, is told with its name", async () => {
  const file = await write("port = = 1\n");
  expect(() => readConfig({ environment: {}, file })).toThrow(/^Cannot read the configuration .*\.toml: /);
  expect(() => readConfig({ environment: {}, file: join(folder, "none.toml") })).toThrow(/none\.toml/);
});

test("secrets are not repeated in complaints", () => {
  const environment = { TOKEN_SECRET: "the secret itself", PORT: "x", S3_ENDPOINT: "x" };
  const message = complaintsOf(() => readConfig({ environment })).join("\n");
  expect(message).not.toContain("the secret itself");
});

test(".env.example and the table agree: it names no setting that there is none of", async () => {
  const text = await Bun.file(join(import.meta.dir, "..", ".env.example")).text();
  const named = [...text.matchAll(/^#? ?([A-Z][A-Z0-9_]+)=/gm)].map((match) => match[1] ?? "");
  const compose = [
    "GATEWAY_PORT",
    "POSTGRES_PASSWORD",
    "COMPOSE_PROFILES",
    "API_REPLICAS",
    "WORKERS_REPLICAS",
    "AUTH_RATE",
    "TLS_CERTIFICATE",
    "TLS_KEY",
    "TLS_PORT",
  ];
  expect(named.filter((name) => !(name in Config.properties) && !compose.includes(name))).toEqual([]);
});

const clientSecret = "a secret of thirty-two characters";

test("clients come as tables of the file or as JSON, and of a service's secret only the digest is kept", async () => {
  const digest = new Bun.CryptoHasher("sha256").update(clientSecret).digest("hex");
  const file = await write(
    `[[oauth_clients]]\nid = "launcher"\nname = "Launcher"\nscopes = ["packs:read"]\n[[service_clients]]\nid = "stats"\nsecret = "${clientSecret}"\nscopes = []\n`,
  );
  const services = JSON.stringify([{ id: "stats", secretSha256: digest, scopes: [], roles: ["ops"] }]);
  const fromFile = readConfig({ environment: {}, file });
  expect(fromFile.OAUTH_CLIENTS).toEqual([{ id: "launcher", name: "Launcher", scopes: ["packs:read"] }]);
  expect(fromFile.SERVICE_CLIENTS).toEqual([{ id: "stats", secretSha256: digest, scopes: [], roles: [] }]);
  const fromEnvironment = readConfig({ environment: { SERVICE_CLIENTS: services }, file });
  expect(fromEnvironment.SERVICE_CLIENTS).toEqual([{ id: "stats", secretSha256: digest, scopes: [], roles: ["ops"] }]);
  const fromSecretFile = await write(JSON.stringify([{ id: "stats", secret: clientSecret, scopes: [] }]));
  const config = readConfig({ environment: { SERVICE_CLIENTS_FILE: fromSecretFile } });
  expect(JSON.stringify(config)).not.toContain(clientSecret);
});

test.each([
  ["not JSON", `[{"id":"stats","secret":"${clientSecret}"`, "SERVICE_CLIENTS: is not JSON"],
  ["a text", `"${clientSecret}"`, "SERVICE_CLIENTS: "],
  ["a short secret", `[{"id":"stats","secret":"short-secret","scopes":[]}]`, "SERVICE_CLIENTS/0/secret: "],
  ["no secret", `[{"id":"stats","scopes":[]}]`, 'SERVICE_CLIENTS: "stats" needs a secret'],
  [
    "an unknown member",
    `[{"id":"stats","secret":"${clientSecret}","scopes":[],"role":"${clientSecret}"}]`,
    "SERVICE_CLIENTS/0/role: ",
  ],
  [
    "the role of an admin",
    `[{"id":"stats","secret":"${clientSecret}","scopes":[],"roles":["admin"]}]`,
    "SERVICE_CLIENTS/0/roles/0: ",
  ],
  [
    "two of one name",
    `[{"id":"a","secret":"${clientSecret}","scopes":[]},{"id":"a","secret":"${clientSecret}","scopes":[]}]`,
    'OAUTH_CLIENTS, SERVICE_CLIENTS: "a" is there twice',
  ],
])("SERVICE_CLIENTS with %s is refused, and no secret is repeated", (_, value, complaint) => {
  const complaints = complaintsOf(() => readConfig({ environment: { SERVICE_CLIENTS: value } }));
  expect(complaints.some((line) => line.startsWith(complaint))).toBe(true);
  expect(complaints.join("\n")).not.toMatch(/short-secret|thirty-two/);
});
