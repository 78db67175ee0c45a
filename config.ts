import { readFileSync } from "node:fs";
import { type Static, type TSchema, Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { parse as parseToml } from "smol-toml";
import { hideSecret, OauthClient, ServiceClient } from "./clients.ts";
import { findContradictions } from "./config-contradictions.ts";
import { count, limits } from "./config-limits.ts";
import { isTables, parseSetting, writeOrigins } from "./config-values.ts";
import { Provider } from "./providers.ts";

const seconds = (fallback: number) => t.Integer({ minimum: 1, default: fallback });
/** A list of tables: `[[name]]` in TOML, JSON in the environment. They may hold secrets. */
const tables = <Schema extends TSchema>(schema: Schema, description: string) =>
  t.Array(schema, { default: [], description });
const list = () => t.Array(t.String(), { default: [] });
const optional = (description: string) => t.Optional(t.String({ minLength: 1, description }));

/**
 * Every setting: an environment variable of this name, the same with `_FILE` for a file that holds the value, or a
 * line of the TOML file given with `--config` (lower or upper case). The environment wins.
 */
export const Config = t.Object({
  HOST: t.String({ default: "127.0.0.1", description: "Address that the API listens on" }),
  PORT: t.Integer({ default: 8080, minimum: 0, maximum: 65535, description: "Port of the API; 0 picks a free one" }),
  DATA: t.String({ default: "./data", description: "Folder of the embedded database, objects and secrets" }),
  PODS: t.Integer({ default: 2, minimum: 1, maximum: 64, description: "Worker processes started by `sunduk up`" }),
  PUBLIC_URL: optional("Address that people and launchers use, when it is not http://HOST:PORT"),
  PUBLIC_URL_ALIASES: t.Array(t.String(), { default: [], description: "Former public addresses that stay valid" }),
  DATABASE_URL: optional("PostgreSQL 15 or newer; the embedded one when not set"),
  DATABASE_POOL: count(10, 500),
  REDIS_URL: optional("Redis or Valkey for queues and bus; PostgreSQL carries both when not set"),
  S3_ENDPOINT: optional("S3 server as the processes reach it; objects are on disk when not set"),
  S3_PUBLIC_ENDPOINT: optional("S3 server as clients reach it; S3_ENDPOINT when not set"),
  S3_BUCKET: t.String({ default: "sunduk" }),
  S3_REGION: t.String({ default: "us-east-1" }),
  S3_ACCESS_KEY: optional("Access key of the S3 server"),
  S3_SECRET_KEY: optional("Secret key of the S3 server"),
  SIGNING_KEY: optional(
    "Private Ed25519 keys that sign access tokens: a JWK, or {keys: […]} with the newest and former ones",
  ),
  SIGNING_KEY_FILE: optional("The file that holds them: changes of it are seen within seconds"),
  TOKEN_SECRET: optional("Key of refresh tokens and cookies: 32 random bytes, base64url"),
  VAULT_ADDR: optional("HashiCorp Vault that holds SIGNING_KEY and TOKEN_SECRET, such as https://vault:8200"),
  VAULT_KEYS_PATH: t.String({ default: "secret/data/sunduk", description: "Their path in its KV v2 engine" }),
  VAULT_TOKEN: optional("Token for Vault"),
  VAULT_ROLE_ID: optional("AppRole for Vault, with VAULT_SECRET_ID"),
  VAULT_SECRET_ID: optional("Secret of the AppRole"),
  STORAGE_SECRET: optional("Key of the URLs of the embedded storage: 32 random bytes, base64url"),
  NOTIFICATION_SECRET: optional("Key of webhook secrets, unsubscribe links and Web Push: 32 random bytes, base64url"),
  MANIFEST_KEY: optional("Private Ed25519 keys that sign manifests: a JWK, or {keys: […]} with the newest first"),
  YGGDRASIL_KEY: optional("Private RSA key that signs for games: PKCS #8 as PEM, or its base64 on one line"),
  TELEGRAM_BOT_TOKEN: optional("Token of the bot that writes to people on Telegram"),
  TELEGRAM_URL: t.String({ default: "https://api.telegram.org", description: "Where the Bot API is" }),
  COALESCE_SECONDS: t.Integer({
    default: 600,
    minimum: 0,
    description: "Changes of an event within this time are told as one",
  }),
  BACKUP_TO: optional("Where backups are kept: a folder, or s3://bucket/folder; `backups` in DATA when not set"),
  BACKUP_EVERY_HOURS: t.Integer({
    default: 0,
    minimum: 0,
    maximum: 24 * 366,
    description: "0: backups are made by hand",
  }),
  BACKUP_KEEP: count(7, 10_000),
  BACKUP_KEY: optional("Passphrase that backups are encrypted with; what is encrypted is lost without it"),
  BACKUP_BEFORE_MIGRATION: t.Union([t.Literal("on"), t.Literal("off")], { default: "on" }),
  BACKUP_S3_ENDPOINT: optional("S3 server of backups, when it is another one than the objects'"),
  BACKUP_S3_ACCESS_KEY: optional("Access key of the S3 server of backups"),
  BACKUP_S3_SECRET_KEY: optional("Secret key of the S3 server of backups"),
  METRICS_TOKEN: optional("Bearer token for /metrics; loopback only when not set"),
  TRUSTED_PROXIES: t.Array(t.String(), {
    default: [],
    description: "Addresses or CIDR blocks whose X-Real-IP is believed",
  }),
  LINGER_SECONDS: t.Number({ default: 2.5, minimum: 0, maximum: 4, description: "Before a stop, behind a proxy" }),
  LOG_LEVEL: t.Union(
    ["debug", "info", "warn", "error", "silent"].map((level) => t.Literal(level)),
    { default: "info" },
  ),
  LOG_COLLECT: t.Union(
    ["debug", "info", "warn", "error", "off"].map((level) => t.Literal(level)),
    { default: "info", description: "What is kept centrally, besides standard error: lines of this level and above" },
  ),
  LOGS_FOLDER: optional("Folder of the collected logs; DATA/logs when not set"),
  LOGS_KEEP_DAYS: count(14, 3650),
  LOGS_MAX_BYTES: count(1024 ** 3),
  LOGS_EVERY_SECONDS: seconds(10),
  SLOW_QUERY_MS: count(500),
  REGISTRATION: t.Union([t.Literal("open"), t.Literal("invite"), t.Literal("closed")], { default: "open" }),
  SMTP_URL: optional(
    "Server that mails leave by: smtps://user:password@host:port or smtp://…; without it none are sent",
  ),
  MAIL_FROM: optional("Sender of mails: name@host, or Name <name@host>"),
  PACK_CREATORS: t.Union([t.Literal("everyone"), t.Literal("authors")], { default: "everyone" }),
  OAUTH_CLIENTS: tables(OauthClient, "Launchers that sign people in: id, name, scopes"),
  SERVICE_CLIENTS: tables(ServiceClient, "Services that call the API: id, secret or secretSha256, scopes, roles"),
  OIDC_PROVIDERS: tables(Provider, "Providers that people sign in through: id, issuer or kind, clientId, clientSecret"),
  DEVICE_EXPIRES_SECONDS: seconds(600),
  OUTBOUND_ALLOW: t.String({
    default: "",
    description: "Private addresses that may be fetched from: CIDR or host[:port], comma separated",
  }),
  MIRROR_HOSTS: list(),
  FABRIC_META_URL: t.String({ default: "https://meta.fabricmc.net", description: "Who tells of Fabric; off: nobody" }),
  QUILT_META_URL: t.String({ default: "https://meta.quiltmc.org", description: "Who tells of Quilt; off: nobody" }),
  ...limits,
  IMAGE_MAX_PIXELS: t.Integer({
    default: 50_000_000,
    minimum: 1_000_000,
    maximum: 200_000_000,
    description: "Of all frames of an image together",
  }),
  IMAGE_MEMORY_BYTES: t.Integer({
    default: 768 * 1024 ** 2,
    minimum: 128 * 1024 ** 2,
    description: "A decoder that takes more is ended",
  }),
  IMAGE_SOURCE_DAYS: t.Integer({
    default: 365,
    minimum: 0,
    description: "How long the bytes that were sent are kept, to make better variants of them later",
  }),
  IMAGE_AVIF: t.Union([t.Literal("on"), t.Literal("off")], { default: "on" }),
  ROLL_UP_EVERY_SECONDS: seconds(60),
  ANALYTICS_RAW_DAYS: t.Integer({
    minimum: 3,
    default: 90,
    description: "How long single events are kept; their counts by hour and day stay longer",
  }),
  ANALYTICS_HOURLY_DAYS: t.Integer({ minimum: 3, default: 365, description: "How long counts by hour are kept" }),
  ACCOUNT_ERASE_DAYS: t.Number({
    default: 14,
    minimum: 0,
    maximum: 3650,
    description: "How long a deleted account is hidden and can be had back before it is erased",
  }),
  PART_BYTES: t.Integer({ default: 16 * 1024 ** 2, minimum: 5 * 1024 ** 2, maximum: 5 * 1024 ** 3 }),
  SINGLE_PUT_BYTES: count(64 * 1024 ** 2),
  UPLOAD_EXPIRES_SECONDS: t.Integer({
    default: 24 * 3600,
    minimum: 1,
    maximum: 7 * 24 * 3600,
    description: "How long the addresses of an upload are good; S3 signs none for longer than a week",
  }),
  DRAFT_EXPIRES_SECONDS: seconds(7 * 24 * 3600),
  SWEEP_GRACE_SECONDS: t.Integer({ default: 24 * 3600, minimum: 0 }),
  SWEEP_DOOMED_SECONDS: t.Integer({ default: 24 * 3600, minimum: 0 }),
  SWEEP_MAX_SHARE: t.Number({ default: 0.1, minimum: 0, maximum: 1 }),
  SWEEP_EVERY_SECONDS: seconds(3600),
  CHECK_AFTER_SECONDS: t.Integer({
    default: 900,
    minimum: 1,
    maximum: 7 * 24 * 3600,
    description: "When launchers are told to look for updates again",
  }),
  VERIFY_EVERY_SECONDS: t.Integer({
    default: 6 * 3600,
    minimum: 1,
    maximum: 24 * 3600,
    description: "How often it is looked whether every stored object is there",
  }),
  VERIFY_DAYS: t.Number({
    default: 30,
    minimum: 0.1,
    maximum: 3650,
    description: "Within so many days every stored object is read again",
  }),
  RESEND_AFTER_SECONDS: seconds(30),
  RESEND_EVERY_SECONDS: seconds(10),
  LOCK_SECONDS: t.Integer({
    default: 30,
    minimum: 1,
    description: "A pod that is silent for so long loses its messages",
  }),
});
export type Config = Static<typeof Config>;
type Name = keyof Config;

/** All that is wrong with the configuration, told at once. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

type Sources = { environment: Record<string, string | undefined>; file?: string };

/**
 * Reads the configuration: defaults, then the TOML file, then the environment.
 * Throws `ConfigError` with one line for every wrong, misspelt or contradictory setting.
 */
export function readConfig({ environment, file }: Sources): Config {
  const problems: string[] = [];
  const given: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(file === undefined ? {} : readToml(file))) {
    const name = key.toUpperCase();
    if (!isName(name)) problems.push(`${file}: unknown setting "${key}"${suggest(name)}`);
    else given[name] = value;
  }
  for (const name of names()) {
    const path = environment[`${name}_FILE`];
    try {
      const value = path ? readFileSync(path, "utf8").trim() : environment[name];
      if (value !== undefined && value !== "") given[name] = parseSetting(Config.properties[name], value);
    } catch (cause) {
      if (cause instanceof SyntaxError) problems.push(`${name}: is not JSON; it must be a list of objects`);
      else problems.push(`${name}_FILE: cannot read ${path}: ${cause instanceof Error ? cause.message : cause}`);
    }
  }
  const completed = Value.Default(Config, given);
  for (const error of Value.Errors(Config, completed)) {
    const [, name = "", ...place] = error.path.split("/");
    // What stands in a table may be a secret: it is not repeated.
    const hidden = place.length > 1 || isTables(error.schema) || typeof error.value === "object";
    const found = hidden ? "" : `, found ${JSON.stringify(error.value)}`;
    problems.push(`${[name, ...place].join("/")}: ${error.message.toLowerCase()}${found}`);
  }
  if (problems.length === 0 && Value.Check(Config, completed)) {
    problems.push(...findContradictions(completed));
    if (problems.length === 0)
      return { ...writeOrigins(completed), SERVICE_CLIENTS: completed.SERVICE_CLIENTS.map(hideSecret) };
  }
  throw new ConfigError(`Cannot start: the configuration is wrong\n${problems.map((line) => `  ${line}`).join("\n")}`);
}

function names(): Name[] {
  return Object.keys(Config.properties).filter(isName);
}

function isName(name: string): name is Name {
  return name in Config.properties;
}

function readToml(file: string): Record<string, unknown> {
  try {
    return parseToml(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new ConfigError(`Cannot read the configuration ${file}: ${cause instanceof Error ? cause.message : cause}`);
  }
}

function suggest(name: string): string {
  const near = names().find(
    (other) =>
      other.replaceAll("_", "") === name.replaceAll("_", "") || other.startsWith(name) || name.startsWith(other),
  );
  return near ? `: did you mean ${near}?` : "";
}
