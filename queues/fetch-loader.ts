import { LoaderKey } from "../loader-profile.ts";
import { actor } from "./actor.ts";

/** Asks the makers of a loader what it is started by, once. */
export const fetchLoader = actor({
  name: "fetch-loader",
  payload: LoaderKey,
  subject: ({ name, version, minecraft }) => `${name} ${version} ${minecraft}`,
  retry: { attempts: 3, backoffMs: 2_000 },
  concurrency: 2,
  timeoutMs: 30_000,
  needs: ["db", "config"],
  handler: () => import("../workers/fetch-loader.ts"),
});
