import type { Viewer } from "../../db/image.ts";
import { toReader } from "../caller.ts";
import type { Caller } from "../tokens.ts";

/** Who looks at images: the caller, and what a share link has opened for him. */
export function toViewer({ caller }: { caller: Caller | null; request: Request }): Viewer {
  return { ...toReader(caller), shareId: null };
}
