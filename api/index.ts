import { Elysia } from "elysia";
import { listShownImages } from "../db/image.ts";
import type { Deps } from "../deps.ts";
import type { Keys } from "../keys.ts";
import { openManifestSigner } from "../manifest-signature.ts";
import { openSeal } from "../seal.ts";
import { openAccessTokens } from "./access-tokens.ts";
import { accounts } from "./accounts/index.ts";
import { openPasswords } from "./accounts/passwords.ts";
import { secondFactor } from "./accounts/second-factor-routes.ts";
import { albums } from "./albums/index.ts";
import { oldAddresses } from "./aliases.ts";
import type { Collector } from "./analytics/collector.ts";
import { analytics } from "./analytics/index.ts";
import { openAnalytics } from "./analytics/recorder.ts";
import type { Api } from "./api.ts";
import { appPasswords } from "./app-passwords/index.ts";
import { avatars } from "./avatars/index.ts";
import { bundles } from "./blobs/bundles.ts";
import { blobs } from "./blobs/index.ts";
import { openKnownBlobs } from "./blobs/known-blobs.ts";
import { calendars } from "./calendars/index.ts";
import { openIdentify } from "./caller.ts";
import { community } from "./community/index.ts";
import { discovery } from "./discovery/index.ts";
import { events } from "./events/index.ts";
import { files } from "./files/index.ts";
import { front } from "./front/index.ts";
import { health } from "./health/index.ts";
import { openRequestCounts } from "./health/request-counts.ts";
import { helios } from "./helios/index.ts";
import { images } from "./images/index.ts";
import { openKnownImages } from "./images/known-images.ts";
import { jobs } from "./jobs/index.ts";
import { launchers } from "./launchers/index.ts";
import { openManifests } from "./launchers/releases.ts";
import { endConnections, type Leaving } from "./leaving.ts";
import { bodyLimits, openAddresses } from "./limits.ts";
import { links } from "./links/index.ts";
import { openKnownLinks } from "./links/known-links.ts";
import { packPages } from "./links/pages.ts";
import { me } from "./me/index.ts";
import { modrinth } from "./modrinth/index.ts";
import { notifications } from "./notifications/index.ts";
import { openIdTokenKeys } from "./oauth/id-token-keys.ts";
import { oauth } from "./oauth/index.ts";
import { objects } from "./objects/index.ts";
import { oidc } from "./oidc/index.ts";
import { openapi } from "./openapi/index.ts";
import { ops } from "./ops/index.ts";
import { organizations } from "./organizations/index.ts";
import { packs } from "./packs/index.ts";
import { players } from "./players/index.ts";
import { textures } from "./players/texture-routes.ts";
import { problems } from "./problem.ts";
import { openRateLimits } from "./rate-limits.ts";
import { confirmPage } from "./registrations/confirm-page.ts";
import { registrations } from "./registrations/index.ts";
import { openRecorder } from "./request-log.ts";
import type { Revocations } from "./revocations.ts";
import { sessions } from "./sessions/index.ts";
import { solder } from "./solder/index.ts";
import { sources } from "./sources/index.ts";
import { type Mounted, strictRequests } from "./strict-requests.ts";
import { openTokens } from "./tokens.ts";
import { uploads } from "./uploads/index.ts";
import { users } from "./users/index.ts";
import { openGive } from "./versions/give.ts";
import { versions } from "./versions/index.ts";
import { openPublicAnswers } from "./versions/public-answers.ts";
import { webhooks } from "./webhooks/index.ts";
import { yggdrasil } from "./yggdrasil/index.ts";

type Making = { keys: Keys; features: string[]; leaving?: Leaving } & Opened;

/** What whoever makes the app has opened, and closes. */
type Opened = { revocations: Revocations; collector: Collector };

const maxRequestBytes = 5 * 1024 ** 3;

/** The features that `bun main.ts api [feature…]` can be told to serve; health is always served. */
export const features = {
  accounts,
  oidc,
  oauth,
  sessions,
  packs,
  versions,
  links,
  modrinth,
  launchers,
  uploads,
  blobs,
  files,
  images,
  albums,
  jobs,
  ops,
  analytics,
  me,
  users,
  notifications,
  webhooks,
  organizations,
  community,
  avatars,
  players,
  "app-passwords": appPasswords,
  yggdrasil,
  front,
  events,
  registrations,
  calendars,
  sources,
  solder,
  helios,
};

/** Everything the API answers, not yet on a port. Serves all features, or those named. */
export async function makeApp(
  deps: Deps,
  { keys, features: names, revocations, collector, leaving = { begun: false } }: Making,
) {
  const wanted = (name: string) => names.length === 0 || names.includes(name);
  const unknown = names.filter((name) => !Object.hasOwn(features, name));
  if (unknown.length > 0)
    throw new Error(
      `Cannot start the API: there is no feature ${unknown.join(", ")}. There are ${Object.keys(features).join(", ")}`,
    );
  const tokens = openTokens(keys);
  const addressOf = openAddresses(deps.config.TRUSTED_PROXIES);
  const peers = new WeakMap<Request, string>();
  const addressOfClient: Api["addressOf"] = (request, peer) => addressOf(request, peers.get(request) ?? peer);
  const identify = openIdentify({ tokens, revocations, accessTokens: openAccessTokens({ ...deps, revocations }) });
  const analyticsOfApi = openAnalytics({ collector, addressOf: addressOfClient });
  const knownLinks = openKnownLinks(deps);
  const seal = openSeal(keys.tokenSecret);
  const api: Api = {
    ...deps,
    tokens,
    revocations,
    identify,
    passwords: openPasswords(),
    rateLimits: openRateLimits({ store: deps.rates, log: deps.log }),
    seal,
    idTokenKeys: openIdTokenKeys({ ...deps, seal, keys }),
    requestCounts: openRequestCounts(),
    knownImages: openKnownImages({
      ...deps,
      revocations,
      look: (asked) => listShownImages(deps.db, { ...asked, after: null }),
    }),
    knownLinks,
    knownBlobs: openKnownBlobs(deps),
    manifests: openManifests(deps),
    manifestSigner: openManifestSigner(keys.manifestKeys),
    give: openGive({
      identify,
      knownLinks,
      analytics: analyticsOfApi,
      answers: openPublicAnswers(deps),
      checkAfterSeconds: deps.config.CHECK_AFTER_SECONDS,
    }),
    analytics: analyticsOfApi,
    addressOf: addressOfClient,
  };
  const mounted: Mounted = { routes: [] };
  const app = new Elysia({
    normalize: false,
    aot: true,
    serve: { maxRequestBodySize: maxRequestBytes, idleTimeout: 60 },
  })
    .use(problems(deps.log, openRecorder({ log: deps.log, counts: api.requestCounts })))
    .use(endConnections(leaving))
    .use(bodyLimits(deps.config.LIMIT_BODY_BYTES))
    .use(strictRequests(mounted))
    .use(health(api));
  if (deps.disk) app.use(objects(deps.disk));
  if (wanted("accounts")) app.use(accounts(api, keys)).use(secondFactor(api));
  if (wanted("oauth")) app.use(oauth(api, keys));
  if (wanted("oidc")) app.use(oidc(api, keys));
  if (wanted("sessions")) app.use(sessions(api));
  if (wanted("me")) app.use(me(api));
  if (wanted("users")) app.use(users(api));
  if (wanted("notifications")) app.use(notifications(api));
  if (wanted("webhooks")) app.use(webhooks(api));
  if (wanted("organizations")) app.use(organizations(api));
  if (wanted("community")) app.use(community(api));
  if (wanted("avatars")) app.use(avatars(api));
  if (wanted("players")) app.use(players(api)).use(textures(api));
  if (wanted("app-passwords")) app.use(appPasswords(api));
  if (wanted("yggdrasil")) app.use(yggdrasil(api, keys));
  if (wanted("front")) app.use(front(api));
  if (wanted("calendars")) app.use(calendars(api));
  if (wanted("events")) app.use(events(api));
  if (wanted("sources")) app.use(sources(api));
  if (wanted("registrations")) app.use(registrations(api)).use(confirmPage());
  if (wanted("packs")) app.use(packs(api));
  if (wanted("versions")) app.use(versions(api)).use(discovery(api));
  if (wanted("launchers")) app.use(launchers(api));
  if (wanted("links"))
    app.use(links(api)).use(packPages(api, { hasGames: keys.gameKey !== undefined && wanted("yggdrasil") }));
  if (wanted("modrinth")) app.use(modrinth(api));
  if (wanted("solder")) app.use(solder(api));
  if (wanted("helios")) app.use(helios(api));
  if (wanted("uploads")) app.use(uploads(api));
  if (wanted("blobs")) app.use(blobs(api)).use(bundles(api));
  if (wanted("files")) app.use(files(api));
  if (wanted("images")) app.use(images(api));
  if (wanted("albums")) app.use(albums(api));
  if (wanted("jobs")) app.use(jobs(api));
  if (wanted("ops")) app.use(ops(api));
  if (wanted("analytics")) app.use(analytics(api));
  if (names.length === 0)
    app.use(
      oldAddresses({ db: api.db, handle: app.handle, setPeer: (request, peer) => peers.set(request, peer ?? "") }),
    );
  app.use(openapi(deps.config, () => app));
  mounted.routes = app.routes;
  return app;
}
