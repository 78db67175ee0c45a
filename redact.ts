import type { Config } from "./config.ts";

const censor = "[redacted]";

/** Members of a line whose values never come out, whatever they are: by what is in their name, in any spelling. */
const secretKey =
  /passw|secret|token|authorization|cookie|signature|signingkey|privatekey|accesskey|apikey|credential|recovery|usercode|devicecode|grant$|totp|otp$/;
/** Ids, counts and kinds of secrets are none. */
const harmlessKey = /(id|ids|count|kind|type|name|at|seconds)$/;
/** Members that stand in every line and hold nothing of anybody's. */
const plain = new Set(["level", "time", "pid", "service", "traceId", "id"]);

/** Secrets that can be told by their looks, wherever they stand in a text. */
const shapes: readonly [RegExp, string][] = [
  [/\b(Bearer|Basic)\s+[\w.~+/=-]+/gi, `$1 ${censor}`],
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, censor], // JWTs
  [/\b(sdk_pat_|sdk_ygg_|whsec_)[\w+/=-]+/g, `$1${censor}`],
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@"']*:[^\s/"']*@/gi, `$1${censor}@`], // passwords in addresses
  [
    /([?&#;]|\b)((?:x-amz-)?(?:signature|credential|security-token)|token|code|state|ticket|grant|password)=[^&\s"'<>]+/gi,
    `$1$2=${censor}`,
  ],
  [/\b\d{6,}:[\w-]{30,}/g, censor], // bots of Telegram
  [/\b[a-z2-7]{4}(-[a-z2-7]{4}){3}\b/g, censor], // recovery codes
  [/\b[0-9A-HJKMNP-TV-Z]{5}(-[0-9A-HJKMNP-TV-Z]{5}){3}\b/g, censor], // invites
  [/\b[BCDFGHJKLMNPQRSTVWXZ3479]{4}-?[BCDFGHJKLMNPQRSTVWXZ3479]{4}\b/g, censor], // codes of devices
  [/\b[A-Z2-7]{32}\b/g, censor], // shared secrets of second factors
];

/** Names of our own members. */
const word = /^[a-z][A-Za-z]{0,20}$/;

/** What is shorter is no secret that could be told from a word. */
const shortest = 6;

/** Base64url of 16 bytes and more; ids and digests in hex are of the same letters. */
const longRun = /[A-Za-z0-9_-]{22,}/g;

/** What hides the secrets of one process: by names, by looks, and those of its configuration by what they are. */
export function openRedactor(secrets: readonly string[] = []) {
  const known = [...new Set(secrets)].filter((secret) => secret.length >= shortest).sort((a, b) => b.length - a.length);
  const hideText = (text: string): string => {
    if (text.length < shortest) return text;
    let hidden = text;
    for (const secret of known) if (hidden.includes(secret)) hidden = hidden.replaceAll(secret, censor);
    for (const [shape, instead] of shapes) hidden = hidden.replace(shape, instead);
    return hidden.replace(longRun, (run) => (isRandom(run) ? censor : run));
  };
  const hide = (value: unknown, key: string): unknown => {
    if (isSecretKey(key) && value !== null && typeof value !== "boolean") return censor;
    if (typeof value === "string") return key === "code" && /^\d{6}$/.test(value) ? censor : hideText(value);
    if (Array.isArray(value)) return value.map((item) => hide(item, key));
    if (typeof value === "object" && value !== null) return hideMembers(value);
    return value;
  };
  const hideMembers = (value: object): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(value).map(([key, member]) => [
        word.test(key) ? key : hideText(key),
        plain.has(key) ? member : hide(member, key),
      ]),
    );
  return { hideText, hideMembers };
}

function isSecretKey(key: string): boolean {
  const name = key.toLowerCase().replace(/[^a-z]/g, "");
  return secretKey.test(name) && !harmlessKey.test(name);
}

/** Whether letters come as chance has them: in words and names they change between small, large and digits far less often. */
function isRandom(run: string): boolean {
  if (!/[a-z]/.test(run) || !/[A-Z]/.test(run)) return false;
  if (/\d/.test(run)) return true;
  const kinds = [...run].map((letter) => (/[a-z]/.test(letter) ? 0 : /[A-Z]/.test(letter) ? 1 : 2));
  const changes = kinds.filter((kind, index) => index > 0 && kind !== kinds[index - 1]).length;
  return changes > 0.3 * run.length;
}

/** The secrets that a configuration holds: settings that are named so, and passwords in addresses. */
export function listSecrets(config: Config): string[] {
  const named = Object.entries(config).flatMap(([name, value]) =>
    typeof value === "string" &&
    /SECRET(_KEY)?$|TOKEN$|SIGNING_KEY$|ACCESS_KEY$|YGGDRASIL_KEY$|MANIFEST_KEY$/.test(name)
      ? [value]
      : [],
  );
  const passwords = [config.DATABASE_URL, config.REDIS_URL, config.SMTP_URL].flatMap((text) => {
    const url = text !== undefined && URL.canParse(text) ? new URL(text) : undefined;
    return url?.password ? [url.password, decodeURIComponent(url.password)] : [];
  });
  const clients = config.OIDC_PROVIDERS.flatMap((provider) =>
    "clientSecret" in provider ? [provider.clientSecret] : [],
  );
  return [...named, ...passwords, ...clients].filter((secret) => typeof secret === "string");
}
