import { type Config, ConfigError, readConfig } from "../config.ts";
import { Fault } from "../fault.ts";

/** What the command line says about the server; a flag wins over its environment variable. */
export type SettingFlags = { [name in "port" | "host" | "data" | "pods" | "config"]?: string | undefined };

/** The configuration of a command line and an environment. Throws a usage Fault with everything that is wrong. */
export function readSettings(
  { port, host, data, pods, config }: SettingFlags,
  surroundings: Record<string, string | undefined> = process.env,
): Config {
  const flags = { PORT: port, HOST: host, DATA: data, PODS: pods };
  const environment = {
    ...surroundings,
    ...Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined)),
  };
  try {
    return readConfig({ environment, ...(config && { file: config }) });
  } catch (error) {
    if (error instanceof ConfigError) throw new Fault("malformed", error.message, { extra: { usage: true } });
    throw error;
  }
}
