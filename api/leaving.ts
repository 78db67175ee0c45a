import { Elysia } from "elysia";

/** Whether this process is about to stop. */
export type Leaving = { begun: boolean };

/**
 * While a process leaves, each answer ends its connection (RFC 9112, 9.6). So a proxy keeps none to it, and none is closed
 * under a request that nobody may send twice.
 */
export function endConnections(leaving: Leaving) {
  return new Elysia({ name: "leaving" })
    .mapResponse(({ responseValue, set }) => {
      if (!leaving.begun) return;
      if (responseValue instanceof Response) responseValue.headers.set("connection", "close");
      else set.headers.connection = "close";
    })
    .as("global");
}
