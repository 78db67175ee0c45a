import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { findServices } from "./services/cluster.ts";

const root = join(import.meta.dir, "..");
const read = (name: string) => Bun.file(join(root, name)).text();

const Dependency = t.Object({ condition: t.String() });
const Service = t.Object({
  image: t.String(),
  command: t.Optional(t.Array(t.String())),
  environment: t.Optional(t.Record(t.String(), t.String())),
  healthcheck: t.Optional(t.Object({ test: t.Array(t.String()) })),
  ports: t.Optional(t.Array(t.String())),
  networks: t.Array(t.String()),
  restart: t.String(),
  depends_on: t.Optional(t.Record(t.String(), Dependency)),
  user: t.Optional(t.String()),
});
const Compose = t.Object({ services: t.Record(t.String(), Service), networks: t.Record(t.String(), t.Unknown()) });

const compose = Value.Parse(Compose, Bun.YAML.parse(await read("compose.yaml")));
const services = Object.entries(compose.services);
const namesOf = (wanted: (service: (typeof services)[number][1]) => boolean) =>
  services.filter(([, service]) => wanted(service)).map(([name]) => name);

describe("compose.yaml", () => {
  test("publishes the gateway's port and no other", () => {
    const published = (port: string) => !port.startsWith("127.0.0.1:");
    expect(namesOf((service) => (service.ports ?? []).some(published))).toEqual(["nginx"]);
    expect(compose.services.nginx?.ports).toHaveLength(1);
    expect(compose.networks.inside).toEqual({ internal: true });
  });

  test("checks the health of every service that stays", () => {
    expect(namesOf((service) => service.restart === "no")).toEqual(["bucket", "migrate"]);
    expect(namesOf((service) => service.restart !== "no" && !service.healthcheck)).toEqual([]);
  });

  test("starts every service after what it needs", () => {
    const order = (name: string) =>
      Object.entries(compose.services[name]?.depends_on ?? {}).map(([other, { condition }]) => `${other} ${condition}`);
    const ready = [
      "migrate service_completed_successfully",
      "bucket service_completed_successfully",
      "postgres service_healthy",
      "redis service_healthy",
      "minio service_healthy",
    ];
    expect(order("api")).toEqual(ready);
    expect(order("workers")).toEqual(ready);
    expect(order("migrate")).toEqual(["postgres service_healthy"]);
    expect(order("bucket")).toEqual(["minio service_healthy"]);
    expect(order("nginx")).toContain("api service_healthy");
  });

  test("has no default for anything secret", () => {
    const secret = /PASSWORD|SECRET|TOKEN|SIGNING|ACCESS_KEY|ROOT_USER/;
    const values = services.flatMap(([, { environment = {} }]) => Object.entries(environment));
    const given = values.filter(([name]) => secret.test(name));
    expect(given.length).toBeGreaterThan(8);
    // Asked for, or empty where what it opens is not used.
    for (const [name, value] of given) expect(`${name} ${value}`).toMatch(/^\S+ \$\{[A-Z0-9_]+:(\?[^}]+|-)\}$/);
    for (const [, value] of values) expect(value).not.toMatch(/:\/\/[^$@/]*:[^$@/]+@/);
  });

  test("asks .env.example for every variable that it cannot do without", async () => {
    const asked = [...(await read("compose.yaml")).matchAll(/\$\{([A-Z0-9_]+):\?/g)].map(([, name = ""]) => name);
    const example = await read(".env.example");
    for (const name of new Set(asked)) expect(example).toMatch(new RegExp(`^${name}=$`, "m"));
  });

  test("runs a Redis that neither evicts nor forgets", () => {
    const command = compose.services.redis?.command?.join(" ");
    expect(command).toContain("--maxmemory-policy noeviction");
    expect(command).toContain("--appendonly yes --appendfsync everysec");
  });

  test("pins every image by its version", () => {
    for (const [, { image }] of services) expect(image).toMatch(/^(sunduk:local|[a-z/]+:(v?\d+\.\d+|RELEASE\.).*)$/);
  });

  test("gives the gateway every name that its configuration holds", async () => {
    const text = (await read("gateway/nginx.conf")).replaceAll(/^\s*#.*$/gm, "");
    const held = new Set([...text.matchAll(/\$\{([A-Z0-9_]+)\}/g)].map(([, name = ""]) => name));
    const environment = compose.services.nginx?.environment ?? {};
    const given = Object.keys(environment).filter((name) => !name.startsWith("NGINX_"));
    expect(given.sort()).toEqual([...held].sort());
    const filter = new RegExp(environment.NGINX_ENVSUBST_FILTER?.replace("$$", "$") ?? "");
    for (const name of held) expect(name).toMatch(filter);
  });
});

test("compose.tls.yaml gives gateway/tls.conf every name that it holds, beside those of compose.yaml, and a key no default", async () => {
  const text = await read("compose.tls.yaml");
  const Tls = t.Object({ services: t.Object({ nginx: t.Object({ environment: t.Record(t.String(), t.String()) }) }) });
  const { environment } = Value.Parse(Tls, Bun.YAML.parse(text)).services.nginx;
  const conf = (await read("gateway/tls.conf")).replaceAll(/^\s*#.*$/gm, "");
  const held = [...conf.matchAll(/\$\{([A-Z0-9_]+)\}/g)].map(([, name = ""]) => name);
  expect(Object.keys(environment).sort()).toEqual([...new Set(held), "NGINX_ENVSUBST_FILTER"].sort());
  const filter = new RegExp(environment.NGINX_ENVSUBST_FILTER?.replace("$$", "$") ?? "");
  const plain = Object.keys(compose.services.nginx?.environment ?? {}).filter((name) => !name.startsWith("NGINX_"));
  for (const name of [...held, ...plain]) expect(name).toMatch(filter);
  expect(text).toContain("${TLS_KEY:?");
});

test("the image is not root's, and holds neither secrets nor data", async () => {
  expect(await read("Dockerfile")).toMatch(/^USER bun$/m);
  const ignored = (await read(".dockerignore")).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  expect(ignored[0]).toBe("*");
  for (const line of ["!data", "!secrets", "!.env", "!tests", "!node_modules"]) expect(ignored).not.toContain(line);
});

test("nginx accepts gateway/nginx.conf as it is rendered for processes", async () => {
  if (!findServices().nginx) {
    console.warn("skipped: nginx not found, gateway/nginx.conf was not tested");
    return;
  }
  const dir = await mkdtemp(join(tmpdir(), "sunduk-gateway-"));
  try {
    const script = join(import.meta.dir, "services/nginx.sh");
    const run = Bun.spawnSync([script, "render", dir, "18080", "18081", "18082", "18083"]);
    expect(run.stderr.toString()).toBe("");
    expect(run.exitCode).toBe(0);
    const rendered = await Bun.file(join(dir, "nginx.conf")).text();
    expect(rendered.replaceAll(/^\s*#.*$/gm, "")).not.toContain("${");
    expect(rendered).toContain("server 127.0.0.1:18083 ");
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
