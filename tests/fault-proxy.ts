import type { Socket } from "bun";

/** What becomes of a connection: refused before it begins, or its answers swallowed from now on. */
export type Verdict = "refuse" | "mute" | undefined;

type End = { peer: Socket<End> | undefined; early: Uint8Array[]; muted: boolean; first: boolean; closed: boolean };
type Options = {
  targetPort: number;
  /** Judges what a client sends, as it comes; `first` is the beginning of a connection. */
  judge?: (text: string, first: boolean) => Verdict;
};

export type FaultProxy = {
  port: number;
  /** How many clients came, also those that were not let in. */
  count: () => number;
  /** Ends all connections and takes no new ones until `heal`. */
  cut: () => void;
  heal: () => void;
  stop: () => void;
};

/** A TCP proxy on loopback that loses what it is told to lose. */
export function startFaultProxy({ targetPort, judge = () => undefined }: Options): FaultProxy {
  const clients = new Set<Socket<End>>();
  let away = false;
  let came = 0;
  const newEnd = (peer: Socket<End> | undefined): End => ({
    peer,
    early: [],
    muted: false,
    first: true,
    closed: false,
  });
  const close = (socket: Socket<End>) => {
    clients.delete(socket);
    if (!socket.data) return;
    socket.data.closed = true;
    socket.data.peer?.end();
  };
  const listener = Bun.listen<End>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      binaryType: "uint8array",
      open(client) {
        came += 1;
        client.data = newEnd(undefined);
        if (away) return void client.terminate();
        clients.add(client);
        Bun.connect<End>({
          hostname: "127.0.0.1",
          port: targetPort,
          data: newEnd(client),
          socket: {
            binaryType: "uint8array",
            data(server, chunk) {
              if (!server.data.peer?.data.muted) server.data.peer?.write(chunk);
            },
            close,
            error: close,
          },
        }).then(
          (server) => {
            if (client.data.closed) return void server.end(); // gone before we were through
            client.data.peer = server;
            for (const chunk of client.data.early.splice(0)) server.write(chunk);
          },
          () => client.terminate(),
        );
      },
      data(client, chunk) {
        const verdict = judge(Buffer.from(chunk).toString("latin1"), client.data.first);
        client.data.first = false;
        if (verdict === "refuse") return void client.terminate();
        if (verdict === "mute") client.data.muted = true;
        if (client.data.peer) client.data.peer.write(chunk);
        else client.data.early.push(chunk.slice());
      },
      close,
      error: close,
    },
  });
  return {
    port: listener.port,
    count: () => came,
    cut: () => {
      away = true;
      for (const client of clients) client.terminate();
    },
    heal: () => {
      away = false;
    },
    stop: () => listener.stop(true),
  };
}

/** The same address by way of a proxy. */
export function throughProxy(url: string, { port }: { port: number }): string {
  const address = new URL(url);
  address.hostname = "127.0.0.1";
  address.port = String(port);
  return address.href;
}
