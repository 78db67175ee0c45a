import { Fault } from "../fault.ts";

/** Strong ETag of a revision (RFC 9110, 8.8.3). */
export const revisionTag = (revision: number) => `"${revision}"`;

/**
 * Strong ETag of a shown form of a revision, for what also shows things that change without a new revision. If-Match looks
 * at the revision alone, so that nobody's change is refused because of these.
 */
export function shownTag(revision: number, shown: unknown): string {
  const digest = new Bun.CryptoHasher("sha256").update(JSON.stringify(shown)).digest("hex");
  return `"${revision}-${digest.slice(0, 16)}"`;
}

/** The revision that If-Match names: 428 when it is missing, 412 when it can't be one of ours. */
export function requireRevision(request: Request): number {
  const revision = readRevision(request);
  if (revision === undefined)
    throw new Fault(
      "precondition-required",
      "Send If-Match with the ETag of what you are changing, so that nobody's change is lost",
    );
  return revision;
}

/** The revision that If-Match names, when there is one. */
export function readRevision(request: Request): number | undefined {
  const header = request.headers.get("if-match");
  if (header === null) return undefined;
  const revision = /^"(\d{1,9})(?:-[0-9a-f]{16})?"$/.exec(header.trim())?.[1];
  if (revision === undefined) throw new Fault("changed-meanwhile", "If-Match names no revision of this: read it again");
  return Number(revision);
}

/** Whether If-None-Match names this tag (weak comparison, RFC 9110, 13.1.2). */
export function isUnchanged(request: Request, tag: string): boolean {
  const header = request.headers.get("if-none-match");
  if (header === null) return false;
  return header.trim() === "*" || header.split(",").some((given) => given.trim().replace(/^W\//, "") === tag);
}
