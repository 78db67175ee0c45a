import type { GoodLink } from "../../db/link.ts";
import type { PackRow } from "../../db/pack.ts";
import type { VersionRow } from "../../db/version.ts";
import { escapeHtml, type Language } from "../html-page.ts";
import { pageTexts } from "./page-texts.ts";

const mostChangelog = 10_000;

/** What a pack's page shows. `base` is its address without a trailing slash, which launchers' addresses begin with. */
export type Shown = {
  language: Language;
  publicUrl: string;
  base: string;
  pack: PackRow;
  link: GoodLink | null;
  /** The newest version; undefined where nothing is published. */
  row: VersionRow | undefined;
  /** Whether games sign in here. */
  hasGames: boolean;
};

const describeLoader = ({ loaderName, loaderVersion }: VersionRow) =>
  loaderName === null ? "" : `${loaderName} ${loaderVersion}`;

/** The card that chats and search pages make of an address: Open Graph (ogp.me) and Twitter's. */
export function writeCard({ language, base, pack, row }: Omit<Shown, "hasGames">): string {
  const facts = row
    ? [`${row.version}, Minecraft ${row.minecraft}`, describeLoader(row)].filter(Boolean).join(", ")
    : "";
  const image = hasIcon(pack) ? `${base}/icon` : undefined;
  const properties: [name: string, content: string | undefined][] = [
    ["og:type", "website"],
    ["og:site_name", "Sunduk"],
    ["og:title", pack.name],
    ["og:description", pack.summary || facts || undefined],
    ["og:url", base],
    ["og:locale", language === "ru" ? "ru_RU" : "en_US"],
    ["og:image", image],
  ];
  const cards: typeof properties = [
    ["twitter:card", "summary"],
    ["description", pack.summary || facts || undefined],
  ];
  const write = (kind: "property" | "name") => (list: typeof properties) =>
    list.map(([name, content]) =>
      content === undefined ? "" : `<meta ${kind}="${name}" content="${escapeHtml(content)}">\n`,
    );
  return [...write("property")(properties), ...write("name")(cards)].join("");
}

/** Whether there is something at `{base}/icon`. */
export const hasIcon = ({ iconSha256, logoSha256 }: PackRow) => iconSha256 !== null || logoSha256 !== null;

/** The page below its title. */
export function writeBody(shown: Shown): string {
  const { language, pack, link, row } = shown;
  const text = pageTexts[language];
  const other =
    language === "ru" ? '<a href="?lang=en" hreflang="en">English</a>' : '<a href="?lang=ru" hreflang="ru">Русский</a>';
  const parts = [
    `<p>${other}</p>`,
    hasIcon(pack) ? `<p><img src="${escapeHtml(`${new URL(shown.base).pathname}/icon`)}" alt="" width="96"></p>` : "",
    pack.summary && `<p class="text">${escapeHtml(pack.summary)}</p>`,
    link && `<p role="alert">${escapeHtml(text.secret)}</p>`,
    row ? writeFacts(shown, row) : `<p>${escapeHtml(text.nothing(link?.channel ?? "release"))}</p>`,
    row ? `<h2>${escapeHtml(text.install)}</h2>\n<p>${escapeHtml(text.lead)}</p>\n${writeWays(shown)}` : "",
  ];
  return parts.filter(Boolean).join("\n");
}

function writeFacts({ language }: Shown, row: VersionRow): string {
  const text = pageTexts[language];
  const facts: [name: string, value: string][] = [
    [text.version, row.version],
    ["Minecraft", row.minecraft],
    [text.loader, describeLoader(row)],
    ["Java", row.java ?? ""],
    [text.server, row.serverAddress ?? ""],
    [text.published, row.publishedAt?.toISOString().slice(0, 10) ?? ""],
  ];
  const items = facts.map(([name, value]) => value && `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`);
  const changelog = [...row.changelog.trim()];
  const cut = changelog.length > mostChangelog ? `${changelog.slice(0, mostChangelog).join("")}…` : changelog.join("");
  const news = cut && `\n<h2>${escapeHtml(text.changelog)}</h2>\n<p class="text">${escapeHtml(cut)}</p>`;
  return `<dl>${items.join("")}</dl>${news}`;
}

/** What to paste where, for each launcher. */
function writeWays({ language, publicUrl, base, pack, link, hasGames }: Shown): string {
  const { ways } = pageTexts[language];
  const root = (format: string, rest: string) =>
    link ? `${base}/${format}/${rest}` : `${publicUrl}/${format}/${pack.slug}/${rest}`;
  const accounts: [how: string, code: string] = [ways.authlib, `${publicUrl}/yggdrasil/`];
  const list: [how: string, code: string][] = [
    [ways.prism, `${base}/latest.mrpack`],
    [ways.packwiz, `"$INST_JAVA" -jar packwiz-installer-bootstrap.jar ${base}/pack.toml`],
    [ways.hmcl, root("hmcl", "server-manifest.json")],
    [ways.technic, link ? `${base}/solder/api/` : `${publicUrl}/solder/api/`],
    [ways.helios, root("helios", "distribution.json")],
    ...(hasGames ? [accounts] : []),
    [ways.sunduk, `sunduk pack install ${base} ${pack.slug}`],
    [ways.gameServer, `${base}/latest-server.mrpack`],
  ];
  return list.map(([how, code]) => `<p>${escapeHtml(how)}</p>\n<pre><code>${escapeHtml(code)}</code></pre>`).join("\n");
}
