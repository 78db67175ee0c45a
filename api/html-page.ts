export type Language = "en" | "ru";

/** Russian when Accept-Language ranks it above English (RFC 9110, 12.5.4), else English. */
export function pickLanguage(request: Request): Language {
  const ranked = (request.headers.get("accept-language") ?? "")
    .split(",")
    .map((part) => {
      const [tag = "", ...parameters] = part.trim().toLowerCase().split(";");
      const quality = parameters.map((text) => /^\s*q=([\d.]+)/.exec(text)?.[1]).find(Boolean);
      return { language: tag.split("-")[0], quality: Number(quality ?? 1) };
    })
    .filter(({ language, quality }) => quality > 0 && (language === "ru" || language === "en"))
    .sort((a, b) => b.quality - a.quality);
  return ranked[0]?.language === "ru" ? "ru" : "en";
}

const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:24rem;margin:12vh auto;padding:0 1rem;color-scheme:light dark}
label{display:block;margin:.8rem 0}input{display:block;width:100%;box-sizing:border-box;padding:.5rem;font:inherit}
button{padding:.5rem 1.2rem;font:inherit;margin-right:.6rem}[role=alert]{border-left:4px solid #c33;padding-left:.8rem}
dt{font-weight:600}dd{margin:0 0 .6rem;overflow-wrap:anywhere}output{font:700 1.6rem ui-monospace,monospace;letter-spacing:.1em}
.images{list-style:none;padding:0;display:grid;grid-template-columns:1fr 1fr;gap:.6rem}.images img{width:100%;height:auto}
.text,pre{white-space:pre-wrap;overflow-wrap:anywhere}pre{padding:.6rem;border:1px solid #8886;user-select:all}body:has(pre){max-width:44rem}`;

type HtmlPage = {
  language: Language;
  title: string;
  body: string;
  status?: number;
  headers?: Record<string, string>;
  /** Path of a script of our own, which then sends the forms: the browser sends none by itself. */
  script?: string;
  /** Whether an answer to its form may lead to somebody else's address: browsers hold `form-action` against redirects too. */
  leaves?: boolean;
  /** Origin of images that the script shows, besides our own. */
  images?: string;
  /** Elements of the head besides the title, escaped by whoever writes them. */
  head?: string;
};

/**
 * A plain page that nothing frames, without script unless one of our own is named, whose forms go to ourselves only.
 * `title` is escaped here; what goes into `body` is escaped by whoever writes it.
 */
export function htmlPage({
  language,
  title,
  body,
  status = 200,
  headers = {},
  script,
  images,
  head = "",
  leaves = false,
}: HtmlPage): Response {
  const styleHash = new Bun.CryptoHasher("sha256").update(style).digest("base64");
  const [tag, allowed] =
    script === undefined
      ? ["", leaves ? [] : ["form-action 'self'"]]
      : [`<script src="${script}" defer></script>`, ["script-src 'self'", "connect-src 'self'", "form-action 'none'"]];
  const name = escapeHtml(title);
  const html = `<!doctype html>
<html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${name}</title>
${head}<style>${style}</style>${tag}</head><body><h1>${name}</h1>
${body}
</body></html>`;
  return new Response(html, {
    status,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "content-language": language,
      vary: "accept-language",
      "referrer-policy": "same-origin", // with no-referrer a browser sends the form with "Origin: null"
      "content-security-policy": [
        "default-src 'none'",
        `style-src 'sha256-${styleHash}'`,
        ...allowed,
        ...(images === undefined ? [] : [`img-src 'self' data: ${images}`]),
        "base-uri 'none'",
        "frame-ancestors 'none'",
      ].join("; "),
      ...headers,
    },
  });
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
