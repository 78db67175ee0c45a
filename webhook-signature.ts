import { createHmac } from "node:crypto";
import { makeSecret } from "./keys.ts";

/** Secrets of the Standard Webhooks specification 1.0.0: `whsec_` and 32 random bytes, base64. */
export function makeWebhookSecret(): string {
  return `whsec_${Buffer.from(makeSecret(), "base64url").toString("base64")}`;
}

type Signed = { id: string; atSeconds: number; body: string };

/** The headers that prove a message (Standard Webhooks 1.0.0, "Webhook signatures", v1: HMAC-SHA-256 over id, time and body). */
export function signWebhook(secret: string, { id, atSeconds, body }: Signed): Record<string, string> {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const mac = createHmac("sha256", key).update(`${id}.${atSeconds}.${body}`).digest("base64");
  return { "webhook-id": id, "webhook-timestamp": `${atSeconds}`, "webhook-signature": `v1,${mac}` };
}
