import { findClientProblems } from "./clients.ts";
import type { Config } from "./config.ts";
import { findProviderProblems } from "./providers.ts";

/** Settings that are right by themselves and wrong together, or not of the form that their part needs. */
export function findContradictions(config: Config): string[] {
  const problems: string[] = [];
  if (config.S3_ENDPOINT && !(config.S3_ACCESS_KEY && config.S3_SECRET_KEY)) {
    problems.push("S3_ENDPOINT: S3_ACCESS_KEY and S3_SECRET_KEY are needed with it");
  }
  for (const name of ["PUBLIC_URL", "PUBLIC_URL_ALIASES", "S3_ENDPOINT", "S3_PUBLIC_ENDPOINT"] as const) {
    for (const value of [config[name] ?? []].flat())
      if (!/^https?:\/\/[^/?#@\s]+$/.test(value) || !URL.canParse(value))
        problems.push(`${name}: must look like https://host or http://host:port, found ${value}`);
  }
  for (const name of ["FABRIC_META_URL", "QUILT_META_URL"] as const)
    if (
      config[name] !== "off" &&
      !(/^https?:\/\/[^/?#@\s]+[^?#@\s]*$/.test(config[name]) && URL.canParse(config[name]))
    )
      problems.push(`${name}: must look like https://host, or be off, found ${config[name]}`);
  problems.push(...findClientProblems(config.OAUTH_CLIENTS, config.SERVICE_CLIENTS));
  problems.push(...findProviderProblems(config.OIDC_PROVIDERS));
  // These hold passwords: what was found is not repeated.
  if (config.DATABASE_URL && !/^postgres(ql)?:\/\/./.test(config.DATABASE_URL))
    problems.push("DATABASE_URL: must look like postgres://user:password@host:port/database");
  if (config.REDIS_URL && !/^rediss?:\/\/./.test(config.REDIS_URL))
    problems.push("REDIS_URL: must look like redis://host:port");
  if (config.SMTP_URL && !(/^smtps?:\/\/[^/]/.test(config.SMTP_URL) && URL.canParse(config.SMTP_URL)))
    problems.push("SMTP_URL: must look like smtps://user:password@host:port or smtp://host:port");
  if (config.SMTP_URL && !config.MAIL_FROM) problems.push("MAIL_FROM: is needed with SMTP_URL");
  return problems;
}
