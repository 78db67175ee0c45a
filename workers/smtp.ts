import { createTransport } from "nodemailer";

const connectMs = 10_000;
const silenceMs = 20_000;

/**
 * Opens the way to a mail server. smtps:// is TLS from the start; with smtp:// a password is sent after STARTTLS only, or
 * within this machine. A server has 10 s to be found and to greet, and may be silent for 20 s.
 */
export function openTransport(address: string) {
  const url = new URL(address);
  const secure = url.protocol === "smtps:";
  const local = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  return createTransport({
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port || (secure ? 465 : 587)),
    secure,
    requireTLS: !secure && url.username !== "" && !local,
    ...(url.username !== "" && {
      auth: { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) },
    }),
    connectionTimeout: connectMs,
    greetingTimeout: connectMs,
    dnsTimeout: connectMs,
    socketTimeout: silenceMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}
