/** The names of all families in an exposition. */
export function listFamilies(text: string): string[] {
  return [...text.matchAll(/^# TYPE (\S+) /gm)].map((match) => match[1] ?? "");
}

/** What of an answer of /metrics breaks the text format 0.0.4, or what `promtool check metrics` asks for besides. */
export function findExpositionFlaws(text: string): string[] {
  const flaws: string[] = [];
  const types = new Map<string, string>();
  const helped = new Set<string>();
  const samples = new Set<string>();
  if (!text.endsWith("\n")) flaws.push("no line break at the end");
  for (const line of text.split("\n").filter(Boolean)) {
    const [, word, family = "", rest = ""] = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line) ?? [];
    if (word === "HELP") {
      if (helped.has(family)) flaws.push(`${family}: helped twice`);
      helped.add(family);
    } else if (word === "TYPE") {
      if (types.has(family)) flaws.push(`${family}: typed twice`);
      if (!/^(counter|gauge|histogram|summary|untyped)$/.test(rest)) flaws.push(`${family}: is a ${rest}`);
      if (!helped.has(family)) flaws.push(`${family}: not helped before its type`);
      types.set(family, rest);
    } else {
      const sample =
        /^([a-zA-Z_:][\w:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*\})? (NaN|[+-]?Inf|[+-]?[\d.]+(?:e[+-]?\d+)?)( \d+)?$/.exec(
          line,
        );
      if (!sample) {
        flaws.push(`not a sample: ${line}`);
        continue;
      }
      const [, name = "", labels = ""] = sample;
      const base = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, "");
      const type = types.get(base);
      if (type === undefined) flaws.push(`${name}: not typed`);
      if (base !== name && type !== "histogram" && type !== "summary")
        flaws.push(`${name}: a ${type} has no such sample`);
      if (samples.has(`${name}${labels}`)) flaws.push(`${name}${labels}: twice`);
      samples.add(`${name}${labels}`);
    }
  }
  // prom-client names three gauges of Node so, and many panels know them by these names.
  for (const [family, type] of types)
    if ((type === "counter") !== family.endsWith("_total") && !/_nodejs_active_/.test(family))
      flaws.push(`${family}: is a ${type}`);
  return flaws;
}
