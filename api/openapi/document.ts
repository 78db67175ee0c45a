import type { AnyElysia } from "elysia";
import type { Config } from "../../config.ts";
import manifest from "../../package.json" with { type: "json" };

type Json = Record<string, unknown>;

const methods = ["get", "put", "post", "delete", "patch", "head"];
const secured = [{ bearer: [] }, {}];
const problem = {
  type: "object",
  description: "A failure (RFC 9457)",
  required: ["type", "title", "status", "detail", "code", "traceId"],
  properties: {
    type: { type: "string", const: "about:blank" },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string", description: "For people: action, colon, state" },
    code: { type: "string", description: "For programs; it does not change" },
    traceId: { type: "string", description: "By which the operator finds the request in the log" },
    errors: {
      type: "array",
      items: {
        type: "object",
        required: ["detail"],
        properties: {
          pointer: { type: "string", description: "JSON Pointer (RFC 6901) into the body" },
          parameter: { type: "string", description: "Name of a parameter" },
          detail: { type: "string" },
        },
      },
    },
  },
};

/** The OpenAPI 3.1 document of everything that is mounted and not hidden, with the limits of this server. */
export async function describeApi(app: AnyElysia, config: Config): Promise<Json> {
  const { toOpenAPISchema } = await import("@elysiajs/openapi/openapi");
  const generated = toOpenAPISchema(app, { methods: ["options"], staticFile: false }, undefined, undefined, "3.1.1");
  // Through JSON: schemas carry symbols and undefined members that are no part of the document.
  const { paths, components }: { paths: Json; components: Json } = JSON.parse(JSON.stringify(generated));
  const limits = readLimits(config);
  const bodies = readBodies(app);
  return {
    openapi: "3.1.1",
    info: {
      title: "Sunduk",
      version: manifest.version,
      license: { name: "MIT", identifier: "MIT" },
      description: `${manifest.description}\n\nLimits of this server:\n\n${writeLimits(limits)}\n\nFailures are \`application/problem+json\`. POSTs that create take an \`Idempotency-Key\`. Lists end when \`nextCursor\` is null.`,
      "x-limits": limits,
    },
    servers: [{ url: "/" }],
    paths: Object.fromEntries(
      Object.entries(paths).map(([path, item]) => [path, describePath(path, { item, bodies })]),
    ),
    components: {
      ...components,
      schemas: { ...(isRecord(components.schemas) ? components.schemas : {}), Problem: problem },
      responses: {
        Problem: {
          description: "A failure",
          content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
        },
      },
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          bearerFormat: "JWT",
          description: "accessToken of POST /v1/auth/login",
        },
      },
    },
  };
}

/**
 * Schemas of bodies by "method path": the generator leaves them out when a parser of our own is mounted, and lists the
 * other kinds that Elysia could read when there is none. Here bodies are JSON.
 */
function readBodies(app: AnyElysia): Map<string, unknown> {
  return new Map(
    app.routes.flatMap(({ method, path, hooks }) =>
      hooks.body === undefined
        ? []
        : [[`${method.toLowerCase()} ${path.replace(/:([^/]+)/g, "{$1}")}`, JSON.parse(JSON.stringify(hooks.body))]],
    ),
  );
}

function describePath(path: string, { item, bodies }: { item: unknown; bodies: Map<string, unknown> }): Json {
  if (!isRecord(item)) return {};
  const described: Json = {};
  for (const [method, operation] of Object.entries(item)) {
    if (!methods.includes(method) || !isRecord(operation)) continue;
    const body = bodies.get(`${method} ${path}`);
    described[method] = {
      ...operation,
      ...(path.startsWith("/v1/") && !path.startsWith("/v1/auth/") && { security: secured }),
      ...(body !== undefined && {
        requestBody: { required: true, content: { "application/json": { schema: body } } },
      }),
      responses: {
        ...describeResponses(isRecord(operation.responses) ? operation.responses : { 200: {} }),
        default: { $ref: "#/components/responses/Problem" },
      },
    };
  }
  return described;
}

function describeResponses(responses: Json): Json {
  return Object.fromEntries(
    Object.entries(responses).map(([status, given]) => {
      const { content, ...rest }: Json = isRecord(given) ? given : {};
      const description =
        typeof rest.description === "string" && rest.description !== "" ? rest.description : undefined;
      // An empty answer (204) has no content; the generator describes its schema's type in its place.
      const described = isRecord(content) && Object.keys(content).some((type) => type.includes("/"));
      return [
        status,
        {
          ...rest,
          description: description ?? statusTexts[status] ?? "Answer",
          ...(described && { content }),
        },
      ];
    }),
  );
}

const statusTexts: Record<string, string> = {
  200: "Done",
  201: "Made",
  202: "Taken: a job does it",
  204: "Done, nothing to tell",
  303: "Elsewhere",
  304: "Not changed",
  307: "A signed address in Location",
};

/** The settings that bound what a caller may send, in bytes, counts and seconds. */
function readLimits(config: Config): Record<string, number> {
  const names = Object.keys(config).filter((name) => /^LIMIT_|^(PART|SINGLE_PUT)_BYTES$|_EXPIRES_SECONDS$/.test(name));
  const entries = Object.entries(config).filter(([name]) => names.includes(name));
  return Object.fromEntries(entries.map(([name, value]) => [name, Number(value)]).sort());
}

function writeLimits(limits: Record<string, number>): string {
  const rows = Object.entries(limits).map(([name, value]) => `| \`${name}\` | ${value} |`);
  return ["| setting | value |", "|---|---|", ...rows].join("\n");
}

function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
