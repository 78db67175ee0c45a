import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import type {
  AppControllerRoute,
  AppViewRoute,
  BullBoardQueues,
  BullBoardRequest,
  ControllerHandlerReturnType,
  IServerAdapter,
  UIConfig,
} from "@bull-board/api/typings/app";
import type { Mailbox } from "../../queues/mailbox.ts";

/** Bull Board without its web server: what it answers, for whoever asks. */
export type Board = {
  queues: BullBoardQueues;
  /** Calls that pages make. */
  routes: readonly AppControllerRoute[];
  pagePaths: readonly string[];
  renderPage: (options: { basePath: string; title: string; signOut: string }) => string;
  /** Path below the base to a file on disk: every asset there is, and nothing else. */
  assets: ReadonlyMap<string, string>;
};

/** Opens Bull Board on our queues. `redis`: whether there is a Redis whose numbers it may show. */
export function openBoard({ queues, redis }: { queues: Mailbox["queues"]; redis: boolean }): Board {
  const here = dirname(Bun.resolveSync("@bull-board/api/package.json", import.meta.dir));
  const uiBasePath = dirname(Bun.resolveSync("@bull-board/ui/package.json", here));
  const dist = join(uiBasePath, "dist");
  let opened: BullBoardQueues = new Map();
  let entry: AppViewRoute | undefined;
  let routes: AppControllerRoute[] = [];
  const adapter: IServerAdapter = {
    setQueues: (given) => {
      opened = given;
      return adapter;
    },
    setEntryRoute: (given) => {
      entry = given;
      return adapter;
    },
    setApiRoutes: (given) => {
      routes = given;
      return adapter;
    },
    setViewsPath: () => adapter,
    setStaticPath: () => adapter,
    setErrorHandler: () => adapter,
    setUIConfig: () => adapter,
  };
  const adapters = queues.filter(isBoardQueue).map((queue) => new BullMQAdapter(queue, { externalJobUrl: linkToJob }));
  createBullBoard({ queues: adapters, serverAdapter: adapter, options: { uiBasePath } });
  const view = readFileSync(join(dist, "index.ejs"), "utf8");
  const files = [...new Bun.Glob("static/**/*").scanSync({ cwd: dist })];
  return {
    queues: opened,
    routes: routes
      .filter(({ route }) => redis || !`${route}`.includes("/redis/"))
      .map((route) => (`${route.route}`.endsWith("/flow") ? { ...route, handler: answerNoFlow } : route)),
    pagePaths: [entry?.route ?? []].flat(),
    assets: new Map(files.map((file) => [`/${file.replaceAll("\\", "/")}`, join(dist, file)])),
    renderPage: ({ basePath, title, signOut }) => {
      const uiConfig: UIConfig = {
        boardTitle: title,
        favIcon: { default: "static/images/logo.svg", alternative: "static/favicon-32x32.png" },
        miscLinks: [{ text: signOut, url: "/ops/sign-out" }],
        hideRedisDetails: !redis,
      };
      return renderView(view, entry?.handler({ basePath, uiConfig }).params ?? {});
    },
  };
}

/** Fills `<%= name %>` (escaped) and `<%- name %>` (as it is) in, and leaves out what other hosts would have to serve. */
function renderView(view: string, params: Record<string, string>): string {
  return view
    .replace(/<(link|script)\b[^>]*\b(href|src)="(https?:)?\/\/[^>]*>/g, "")
    .replace(/<%([=-])\s*(\w+)\s*%>/g, (_all, kind: string, name: string) => {
      const value = params[name] ?? "";
      return kind === "-" ? value : value.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
    });
}

/** A message names its job: the row says what became of it, and to which trace it belongs. */
function linkToJob({ data }: { data?: unknown }): { href: string } {
  const jobId = typeof data === "object" && data !== null && "jobId" in data ? String(data.jobId) : undefined;
  return { href: jobId !== undefined && /^[0-9a-f-]{36}$/.test(jobId) ? `/ops/jobs/${jobId}` : "/ops/queues" };
}

/** No job of ours is part of a flow, and looking for one would need a Redis. */
function answerNoFlow(request?: BullBoardRequest): ControllerHandlerReturnType {
  return { status: 200, body: { nodeId: request?.params.jobId, flowRoot: null, isFlowNode: false } };
}

/** Queues on PostgreSQL are of the same class as those on Redis; only their types differ. */
function isBoardQueue(queue: unknown): queue is ConstructorParameters<typeof BullMQAdapter>[0] {
  return typeof queue === "object" && queue !== null && "getJobCounts" in queue;
}
