import { Elysia } from "elysia";
import type { Api } from "../api.ts";
import { escapeHtml, htmlPage, type Language, pickLanguage } from "../html-page.ts";
import { locationHeader } from "../yggdrasil/index.ts";

const texts: Record<Language, { about: string; interface: string; game: string }> = {
  en: {
    about: "This is the home of a game community: modpacks, players, pictures and events.",
    interface: "For programs",
    game: "For launchers with authlib-injector, this is the address of the authentication server:",
  },
  ru: {
    about: "Это дом игрового сообщества: сборки модов, игроки, снимки и события.",
    interface: "Для программ",
    game: "Для лаунчеров с authlib-injector это адрес сервера авторизации:",
  },
};

/** What this server is, for people who come to its bare address, and where it signs games in, for launchers. */
export function front({ publicUrl }: Pick<Api, "publicUrl">) {
  const show = ({ request }: { request: Request }) => {
    const language = pickLanguage(request);
    const text = texts[language];
    const base = publicUrl();
    const body = `<p>${text.about}</p><p>${text.interface}: <a href="/openapi">OpenAPI</a></p>
<p>${text.game}</p><p><code>${escapeHtml(base)}/</code></p>`;
    return htmlPage({ language, title: new URL(base).host, body, headers: locationHeader });
  };
  const detail = { hide: true };
  return new Elysia().get("/", show, { detail }).head("/", show, { detail });
}
