import type { Socket } from "bun";

type ProxyOptions = {
  targetPort: number;
  /** Where it listens; a free port when not given. */
  port?: number;
  /** Added to every round trip, half in each direction. */
  roundTripMs?: number;
  /** Ends a connection after this many bytes towards the client; asked anew for each connection. */
  cutAfterBytes?: () => number | undefined;
};

type End = {
  peer: Socket<End> | undefined;
  queue: { at: number; bytes: Uint8Array }[];
  ended: boolean;
  leftBytes: number;
  towardsClient: boolean;
};

/**
 * A TCP proxy on loopback that makes a line longer without making it narrower: every piece waits for its time, however
 * many are on their way. Answers its port, what went through, and how to stop it.
 */
export function startDelayProxy({ targetPort, port = 0, roundTripMs = 0, cutAfterBytes }: ProxyOptions) {
  const oneWayMs = roundTripMs / 2;
  const totals = { connections: 0, bytesToClient: 0, cuts: 0 };

  const newEnd = (leftBytes: number, towardsClient: boolean): End => {
    return { peer: undefined, queue: [], ended: false, leftBytes, towardsClient };
  };

  // What is due goes out in order; what the socket does not take stays first until it drains.
  const flush = (socket: Socket<End>) => {
    const { queue, towardsClient } = socket.data;
    const now = performance.now();
    // A timer may be early by a part of a millisecond.
    if (queue[0] !== undefined && queue[0].at > now) setTimeout(() => flush(socket), 1);
    for (let first = queue[0]; first !== undefined && first.at <= now; first = queue[0]) {
      const allowed = first.bytes.subarray(0, Math.min(first.bytes.length, socket.data.leftBytes));
      const count = allowed.length === 0 ? 0 : Math.max(0, socket.write(allowed));
      socket.data.leftBytes -= count;
      if (towardsClient) totals.bytesToClient += count;
      if (socket.data.leftBytes <= 0) {
        totals.cuts += 1;
        socket.data.peer?.terminate();
        socket.terminate();
        return;
      }
      if (count < first.bytes.length) {
        first.bytes = first.bytes.subarray(count);
        return;
      }
      queue.shift();
    }
    if (queue.length === 0 && socket.data.ended) socket.end();
  };
  const later = (socket: Socket<End>) => {
    if (oneWayMs === 0) flush(socket);
    else setTimeout(() => flush(socket), oneWayMs);
  };
  const pass = (from: Socket<End>, chunk: Uint8Array) => {
    const to = from.data.peer;
    if (to === undefined) return;
    // The buffer of a chunk is the socket's own and is used again.
    to.data.queue.push({ at: performance.now() + oneWayMs, bytes: chunk.slice() });
    later(to);
  };
  const end = (from: Socket<End>) => {
    const to = from.data.peer;
    if (to === undefined) return;
    to.data.ended = true;
    later(to);
  };
  const handlers = {
    binaryType: "uint8array" as const,
    data: pass,
    drain: flush,
    close: end,
    end,
    error: end,
  };

  const listener = Bun.listen<End>({
    hostname: "127.0.0.1",
    port,
    socket: {
      ...handlers,
      open(client) {
        totals.connections += 1;
        client.data = newEnd(cutAfterBytes?.() ?? Number.POSITIVE_INFINITY, true);
        const upstream = newEnd(Number.POSITIVE_INFINITY, false);
        upstream.peer = client;
        client.pause();
        Bun.connect<End>({ hostname: "127.0.0.1", port: targetPort, data: upstream, socket: handlers }).then(
          (target) => {
            client.data.peer = target;
            client.resume();
          },
          () => client.terminate(),
        );
      },
    },
  });
  return { port: listener.port, totals, stop: () => listener.stop(true) };
}

// As a process of its own, so that a measure does not share its core: `bun tests/delay-proxy.ts TARGET_PORT ROUND_TRIP_MS`.
if (import.meta.main) {
  const [targetPort, roundTripMs] = process.argv.slice(2).map(Number);
  const proxy = startDelayProxy({ targetPort: targetPort ?? 0, roundTripMs: roundTripMs ?? 0 });
  process.stdout.write(`${proxy.port}\n`);
}
