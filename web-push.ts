import { createECDH } from "node:crypto";
import { Type as t } from "@sinclair/typebox";
import webPush from "web-push";
import { openSeal } from "./seal.ts";

/** A browser's subscription, as `PushSubscription.toJSON()` writes it (Push API). */
export const Subscription = t.Object({
  endpoint: t.String({ pattern: "^https?://[^\\s]+$", maxLength: 1000 }),
  keys: t.Object({
    p256dh: t.String({ pattern: "^[\\w-]{87}=?$", description: "Uncompressed point of P-256, base64url" }),
    auth: t.String({ pattern: "^[\\w-]{22}={0,2}$", description: "16 bytes, base64url" }),
  }),
});
export type Subscription = typeof Subscription.static;

/** The key by which push services know this server (RFC 8292). Made of the secret, so that all processes have the same. */
export function makeVapidKeys(secret: string): { publicKey: string; privateKey: string } {
  const seal = openSeal(secret);
  for (let tries = 0; ; tries++) {
    const privateKey = seal.derive("vapid", `${tries}`);
    const curve = createECDH("prime256v1");
    try {
      curve.setPrivateKey(Buffer.from(privateKey, "base64url"));
      return { privateKey, publicKey: curve.getPublicKey("base64url", "uncompressed") };
    } catch (error) {
      // One in 2^32 strings is no number below the order of the curve.
      if (tries > 2) throw error;
    }
  }
}

type Message = { text: string; ttlSeconds: number; topic: string; subject: string; secret: string };

/** The request that brings a text to a browser, encrypted for it alone (RFC 8291), as a push service takes it (RFC 8030). */
export function writePush(subscription: Subscription, { text, ttlSeconds, topic, subject, secret }: Message) {
  const { endpoint, headers, body } = webPush.generateRequestDetails(subscription, text, {
    TTL: ttlSeconds,
    topic,
    contentEncoding: "aes128gcm",
    vapidDetails: { subject, ...makeVapidKeys(secret) },
  });
  return { endpoint, headers, body };
}
