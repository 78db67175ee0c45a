import type { Viewer } from "../../db/image.ts";
import { readGrant } from "../albums/grants.ts";
import type { Api } from "../api.ts";
import { toReader } from "../caller.ts";
import type { Caller } from "../tokens.ts";

type Looking = { caller: Caller | null; request: Request };

/** Who looks at images and albums: the caller, and the share link that he has opened (header `Share`). 401 for one that is not good. */
export function toViewer({ seal }: Pick<Api, "seal">, { caller, request }: Looking): Viewer {
  return { ...toReader(caller), shareId: readGrant(seal, request) };
}
