import type { PlainKind } from "../../providers.ts";

/** Who somebody is, as a provider says. */
export type Profile = {
  /** His id there, which never changes. */
  subject: string;
  email: string | null;
  /** Whether the provider has proved that the address is his. */
  emailVerified: boolean;
  /** What his login here may be made of. */
  name: string | null;
};

export type Preset = {
  issuer: string;
  authorization: string;
  token: string;
  /** Where the profile is asked for, and how. */
  profile: string;
  askProfile: (
    accessToken: string,
    clientId: string,
  ) => { method?: "POST"; headers: Record<string, string>; body?: string };
  scopes: string[];
  /** Parameters of the callback that the token endpoint wants back. */
  echoed: string[];
  readProfile: (answer: Record<string, unknown>) => Profile | undefined;
};

const bearer = (accessToken: string) => ({
  headers: { authorization: `Bearer ${accessToken}`, accept: "application/json" },
});
const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : null);
const idOf = (value: unknown) =>
  typeof value === "number" && Number.isSafeInteger(value) ? String(value) : (text(value) ?? undefined);

/** A profile whose address proves nothing, unless `email` is verified there. */
function profile(
  id: unknown,
  { name, email, verified = false }: { name: unknown; email?: unknown; verified?: boolean },
) {
  const subject = idOf(id);
  return subject === undefined ? undefined : { subject, name: text(name), email: text(email), emailVerified: verified };
}

/** What the documentation of each says: discord.com/developers, docs.github.com, id.vk.com/about/business, yandex.ru/dev/id. */
export const presets: Record<PlainKind, Preset> = {
  discord: {
    issuer: "https://discord.com",
    authorization: "https://discord.com/oauth2/authorize",
    token: "https://discord.com/api/oauth2/token",
    profile: "https://discord.com/api/users/@me",
    askProfile: bearer,
    scopes: ["identify", "email"],
    echoed: [],
    readProfile: ({ id, username, email, verified }) =>
      profile(id, { name: username, email, verified: verified === true }),
  },
  github: {
    // What it sends as `iss` since it follows RFC 9207.
    issuer: "https://github.com/login/oauth",
    authorization: "https://github.com/login/oauth/authorize",
    token: "https://github.com/login/oauth/access_token",
    profile: "https://api.github.com/user",
    askProfile: bearer,
    scopes: ["read:user"],
    echoed: [],
    // The address in a profile is what its owner wrote there.
    readProfile: ({ id, login }) => profile(id, { name: login }),
  },
  vk: {
    issuer: "https://id.vk.com",
    authorization: "https://id.vk.com/authorize",
    token: "https://id.vk.com/oauth2/auth",
    profile: "https://id.vk.com/oauth2/user_info",
    askProfile: (accessToken, clientId) => ({
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", accept: "application/json" },
      body: new URLSearchParams({ access_token: accessToken, client_id: clientId }).toString(),
    }),
    scopes: ["vkid.personal_info"],
    echoed: ["device_id", "state"],
    readProfile: ({ user }) => {
      const { user_id, first_name, email } = {
        user_id: undefined,
        first_name: undefined,
        email: undefined,
        ...toObject(user),
      };
      return profile(user_id, { name: first_name, email });
    },
  },
  yandex: {
    issuer: "https://oauth.yandex.ru",
    authorization: "https://oauth.yandex.ru/authorize",
    token: "https://oauth.yandex.ru/token",
    profile: "https://login.yandex.ru/info",
    askProfile: (accessToken) => ({ headers: { authorization: `OAuth ${accessToken}`, accept: "application/json" } }),
    scopes: ["login:info", "login:email"],
    echoed: [],
    readProfile: ({ id, login, default_email }) => profile(id, { name: login, email: default_email }),
  },
};

/**
 * A profile as we keep it. Throws for an id that is none (OpenID Connect Core, 2: at most 255 ASCII characters); leaves
 * out what is no e-mail address.
 */
export function cleanProfile({ subject, email, emailVerified, name }: Profile): Profile {
  if (!/^[!-~]{1,255}$/.test(subject)) throw new Error("the provider names nobody: its id is not one");
  const isAddress = email !== null && email.length <= 254 && /^[^\s@<>"]+@[^\s@<>"]+$/.test(email);
  return {
    subject,
    email: isAddress ? email : null,
    emailVerified: isAddress && emailVerified,
    name: name?.slice(0, 100) ?? null,
  };
}

/** The members of an object; none of anything else. */
export function toObject(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
