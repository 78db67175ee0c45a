import { Elysia } from "elysia";
import type { Api } from "../api.ts";
import { callers } from "../caller.ts";
import { takeEvents } from "./events.ts";
import { NewEvents, Outcomes } from "./model.ts";

/** Analytics: what launchers tell, and what owners read. */
export function analytics(api: Api) {
  return new Elysia({ prefix: "/v1/analytics", tags: ["analytics"] }).use(callers(api)).post(
    "/events",
    async ({ body, caller, request, server, set }) => {
      const address = api.addressOf(request, server?.requestIP(request)?.address);
      const perMinute = api.config.LIMIT_ANALYTICS_PER_MINUTE;
      const key = caller?.userId ?? address;
      await api.rateLimits.take([{ name: "analytics", perMinute, key, alone: true }], set.headers);
      const results = await takeEvents(api, { ...body, caller, request, address });
      return { results: results.map((status) => ({ status })) };
    },
    {
      body: NewEvents,
      response: { 200: Outcomes },
      detail: { summary: "What a launcher tells: installs, updates, launches. Answered when it is committed" },
    },
  );
}
