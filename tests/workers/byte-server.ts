import { createServer, type Socket } from "node:net";

export type Asked = { path: string; range: string | undefined; ifRange: string | undefined };
export type Reply = (socket: Socket, asked: Asked) => void;
export type ByteServer = {
  port: number;
  url: string;
  /** Requests so far. */
  asked: Asked[];
  /** Connections so far. */
  connections: () => number;
  reply: Reply;
  close: () => Promise<void>;
};

/** A host on loopback that answers as told, down to the bytes of its heads, and counts who comes. */
export async function startByteServer(reply: Reply): Promise<ByteServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    let head = "";
    socket.on("data", (bytes) => {
      head += bytes.toString("latin1");
      if (!head.includes("\r\n\r\n")) return;
      const header = (name: string) => new RegExp(`^${name}: *(.*)\\r$`, "im").exec(head)?.[1];
      const asked = { path: head.split(" ")[1] ?? "", range: header("range"), ifRange: header("if-range") };
      head = "";
      running.asked.push(asked);
      running.reply(socket, asked);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const running: ByteServer = {
    port,
    url: `http://127.0.0.1:${port}`,
    asked: [],
    connections: () => connections,
    reply,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return running;
}

/** Answers the whole, or the part that is asked for unless `ranges` is false; cut after `cutAfter` bytes of each answer. */
export function sendBytes(
  bytes: Uint8Array,
  { cutAfter = Number.POSITIVE_INFINITY, ranges = true }: { cutAfter?: number; ranges?: boolean } = {},
): Reply {
  return (socket, { range }) => {
    const from = ranges ? Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0) : 0;
    const status =
      from > 0
        ? `206 Partial Content\r\ncontent-range: bytes ${from}-${bytes.length - 1}/${bytes.length}`
        : '200 OK\r\netag: "one"';
    socket.write(`HTTP/1.1 ${status}\r\ncontent-length: ${bytes.length - from}\r\nconnection: close\r\n\r\n`);
    const part = bytes.subarray(from, from + cutAfter);
    socket.write(part, () => (from + part.length < bytes.length ? socket.destroy() : socket.end()));
  };
}

/** Answers with a status and nothing else. */
export const sendStatus =
  (status: number, headers = ""): Reply =>
  (socket) =>
    socket.end(`HTTP/1.1 ${status} Told\r\n${headers}content-length: 0\r\nconnection: close\r\n\r\n`);
