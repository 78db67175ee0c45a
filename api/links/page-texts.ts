import type { Language } from "../html-page.ts";

const en = {
  version: "Version",
  published: "Published",
  loader: "Loader",
  server: "Game server",
  changelog: "What is new",
  nothing: (channel: string) => `Nothing has been published in the channel ${channel} yet.`,
  install: "Install it and keep it up to date",
  lead: "Choose your launcher. Each of these addresses always leads to the newest version.",
  secret: "This link is a key: whoever has it can install the pack. Give it to nobody who should not.",
  ways: {
    sunduk: "On the command line, for a client or a server; the same line again updates:",
    packwiz: "Prism, MultiMC and others with packwiz-installer: as the command that runs before each start:",
    prism: "Prism Launcher: Add instance, Import, and this address; later Edit, Modpack, Update from the same one:",
    hmcl: "HMCL: install a modpack from a URL, and give it the address of a server pack:",
    helios: "Helios and launchers made of it: as the address of the distribution:",
    technic: "Technic Launcher and other launchers that speak Solder: as the base of the API:",
    authlib: "Accounts of this server in a launcher with authlib-injector: as the authentication server:",
    gameServer: "A game server, as .mrpack:",
  },
  noPack: { title: "There is no such pack", detail: "Or it is not shown to you. Ask its authors for a link." },
  noLink: {
    title: "This link does not work",
    detail: "It is wrong, expired, or was revoked. Ask whoever gave it to you for another one.",
  },
};

/** What a pack's page says. */
export type PageTexts = typeof en;

const ru: PageTexts = {
  version: "Версия",
  published: "Опубликована",
  loader: "Загрузчик",
  server: "Игровой сервер",
  changelog: "Что нового",
  nothing: (channel) => `В канале ${channel} пока ничего не опубликовано.`,
  install: "Установить и обновлять",
  lead: "Выберите свой лаунчер. Каждый из этих адресов всегда ведёт к новейшей версии.",
  secret: "Эта ссылка — ключ: сборку установит любой, у кого она есть. Не давайте её посторонним.",
  ways: {
    sunduk: "В командной строке, для игрока или сервера; та же строка ещё раз обновляет:",
    packwiz: "Prism, MultiMC и другие с packwiz-installer: команда перед каждым запуском:",
    prism: "Prism Launcher: «Добавить сборку», «Импорт», этот адрес; потом «Изменить», «Модпак», обновить по нему же:",
    hmcl: "HMCL: установка сборки по URL, адрес серверной сборки:",
    helios: "Helios и лаунчеры на его основе: адрес distribution:",
    technic: "Technic Launcher и другие лаунчеры, понимающие Solder: адрес API:",
    authlib: "Учётные записи этого сервера в лаунчере с authlib-injector: сервер аутентификации:",
    gameServer: "Игровой сервер, в виде .mrpack:",
  },
  noPack: { title: "Такой сборки нет", detail: "Или она вам не показана. Попросите ссылку у её авторов." },
  noLink: {
    title: "Ссылка не работает",
    detail: "Она неверна, устарела или отозвана. Попросите новую у того, кто её дал.",
  },
};

export const pageTexts: Record<Language, PageTexts> = { en, ru };
