const labelText = "downloads";
const charPx = 6.6;
const sidePx = 6;

const units: [size: number, sign: string][] = [
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

/** A count as people say it: 999, 1.2k, 34k, 5.6M; never more than there are. */
export function shorten(count: number): string {
  const [size, sign] = units.find(([size]) => count >= size) ?? [1, ""];
  const share = count / size;
  return `${size > 1 && share < 10 ? Math.floor(share * 10) / 10 : Math.floor(share)}${sign}`;
}

/** The number of a pack's downloads as a picture for other pages, with the time that it is of. */
export function drawBadge({ count, asOf }: { count: number; asOf: Date }): string {
  const value = shorten(count);
  const [left, right] = [labelText, value].map((text) => Math.ceil(text.length * charPx + 2 * sidePx));
  const [labelPx = 0, valuePx = 0] = [left, right];
  const widthPx = labelPx + valuePx;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${widthPx}" height="20" role="img" aria-label="${labelText}: ${value}"><title>${labelText}: ${count}, as of ${asOf.toISOString()}</title><rect width="${widthPx}" height="20" rx="3" fill="#444"/><path d="M${labelPx} 0h${valuePx - 3}q3 0 3 3v14q0 3-3 3H${labelPx}z" fill="#2a6f4e"/><g fill="#fff" font-family="Verdana,Geneva,sans-serif" font-size="11" text-anchor="middle"><text x="${labelPx / 2}" y="14">${labelText}</text><text x="${labelPx + valuePx / 2}" y="14">${value}</text></g></svg>`;
}
