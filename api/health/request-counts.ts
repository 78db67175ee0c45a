/** Numbers of requests by route template. */
export type RequestCounts = {
  count: (request: { method: string; route: string; status: number; durationMs: number }) => void;
  /** The numbers in Prometheus' text format, with a line break at the end. */
  render: () => string;
};

const boundsSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
const maxSeries = 5_000;

/**
 * Counts requests and sorts their durations into buckets. By hand, because prom-client hashes its labels at each
 * observation, which would be felt where an answer takes 10 µs.
 */
export function openRequestCounts(): RequestCounts {
  const series = new Map<string, { labels: string; count: number; sumSeconds: number; buckets: number[] }>();
  return {
    count: ({ method, route, status, durationMs }) => {
      const known = methods.has(method) ? method : "other";
      const key = `${known} ${status} ${route}`;
      let entry = series.get(key);
      if (!entry) {
        if (series.size >= maxSeries) return;
        const labels = `method="${known}",route="${escapeLabel(route)}",status="${status}"`;
        entry = { labels, count: 0, sumSeconds: 0, buckets: boundsSeconds.map(() => 0) };
        series.set(key, entry);
      }
      const seconds = durationMs / 1000;
      entry.count++;
      entry.sumSeconds += seconds;
      const bucket = boundsSeconds.findIndex((bound) => seconds <= bound);
      if (bucket >= 0) entry.buckets[bucket] = (entry.buckets[bucket] ?? 0) + 1;
    },
    render: () => {
      const name = "sunduk_http_request_duration_seconds";
      const lines = [
        `# HELP ${name} Time from a request's head to its answer's, by route template`,
        `# TYPE ${name} histogram`,
      ];
      for (const { labels, count, sumSeconds, buckets } of series.values()) {
        let below = 0;
        buckets.forEach((inside, index) => {
          below += inside;
          lines.push(`${name}_bucket{${labels},le="${boundsSeconds[index]}"} ${below}`);
        });
        lines.push(`${name}_bucket{${labels},le="+Inf"} ${count}`);
        lines.push(`${name}_sum{${labels}} ${sumSeconds}`, `${name}_count{${labels}} ${count}`);
      }
      return `${lines.join("\n")}\n`;
    },
  };
}

/** Label values escape backslash, quote and line break (Prometheus exposition format 0.0.4). */
function escapeLabel(text: string): string {
  return text.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n");
}
