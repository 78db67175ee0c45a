type Load = {
  seconds: number;
  connections: number;
  /** A bearer token for each request; none when not given. All answers must still have one length. */
  token?: () => string;
};

/**
 * How many answers a second a server gives over kept-alive connections, each asking again when it has its answer. Counts
 * bytes instead of parsing: every answer of one address has the same length, which a first question finds out.
 */
export async function countAnswers(url: string, { seconds, connections, token }: Load): Promise<number> {
  const { hostname, port, host, pathname } = new URL(url);
  const head = `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\n`;
  const plain = Buffer.from(`${head}\r\n`);
  const next = token ? () => Buffer.from(`${head}Authorization: Bearer ${token()}\r\n\r\n`) : () => plain;
  const address = { hostname, port: Number(port) };
  const answerBytes = await measureAnswer(next(), address);
  let answers = 0;
  let broken: Error | undefined;
  const sockets = await Promise.all(
    Array.from({ length: connections }, () => {
      let leftBytes = answerBytes;
      return Bun.connect({
        ...address,
        socket: {
          data(socket, chunk) {
            leftBytes -= chunk.length;
            if (leftBytes > 0) return;
            answers += 1;
            leftBytes += answerBytes;
            socket.write(next());
          },
          close() {
            broken ??= new Error(`${url}: the server closed a connection`);
          },
        },
      });
    }),
  );
  const start = performance.now();
  for (const socket of sockets) socket.write(next());
  await Bun.sleep(seconds * 1000);
  const rate = answers / ((performance.now() - start) / 1000);
  const problem = broken;
  for (const socket of sockets) socket.terminate();
  if (problem) throw problem;
  return rate;
}

/** Bytes of one whole answer, head and body. */
async function measureAnswer(request: Buffer, address: { hostname: string; port: number }): Promise<number> {
  const whole = Promise.withResolvers<number>();
  let seen = Buffer.alloc(0);
  const socket = await Bun.connect({
    ...address,
    socket: {
      open: (opened) => void opened.write(request),
      data(_socket, chunk) {
        seen = Buffer.concat([seen, chunk]);
        const headBytes = seen.indexOf("\r\n\r\n") + 4;
        const head = seen.toString("latin1", 0, headBytes);
        const bodyBytes = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? Number.NaN);
        if (headBytes >= 4 && !/^HTTP\/1\.1 200 /.test(head)) whole.reject(new Error(`the answer is not 200: ${head}`));
        if (headBytes >= 4 && seen.length === headBytes + bodyBytes) whole.resolve(seen.length);
      },
      close: () => whole.reject(new Error("the server closed the connection")),
    },
  });
  const limit = setTimeout(() => whole.reject(new Error("no whole answer in 5 s")), 5_000);
  try {
    return await whole.promise;
  } finally {
    clearTimeout(limit);
    socket.terminate();
  }
}

/**
 * The same through a gateway, whose answers differ in their heads and whose connections end after some requests: each answer
 * is read by its Content-Length, and who was hung up on connects again.
 */
export async function countWholeAnswers(url: string, { seconds, connections }: Omit<Load, "token">): Promise<number> {
  const { hostname, port, host, pathname } = new URL(url);
  const request = Buffer.from(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  await measureAnswer(request, { hostname, port: Number(port) });
  let answers = 0;
  let running = true;
  const connect = (): Promise<{ terminate: () => void }> => {
    let leftBytes = 0;
    let head = "";
    return Bun.connect({
      hostname,
      port: Number(port),
      socket: {
        open: (socket) => void socket.write(request),
        data(socket, chunk) {
          let bytes = chunk.length;
          if (leftBytes === 0) {
            head += chunk.toString("latin1", 0, 1024);
            const end = head.indexOf("\r\n\r\n") + 4;
            if (end < 4) return;
            bytes = chunk.length - end;
            leftBytes = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? Number.NaN);
            head = "";
          }
          leftBytes -= bytes;
          if (leftBytes > 0) return;
          answers += 1;
          leftBytes = 0;
          socket.write(request);
        },
        close: () => void (running && connect().then((socket) => sockets.add(socket))),
      },
    });
  };
  const sockets = new Set(await Promise.all(Array.from({ length: connections }, connect)));
  const start = performance.now();
  const before = answers;
  await Bun.sleep(seconds * 1000);
  const rate = (answers - before) / ((performance.now() - start) / 1000);
  running = false;
  for (const socket of sockets) socket.terminate();
  return rate;
}
