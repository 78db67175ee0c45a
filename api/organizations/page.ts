import { countFollows } from "../../db/follow.ts";
import type { OrganizationRow } from "../../db/organization.ts";
import { listMembers } from "../../db/organization-member.ts";
import { listPageAlbums, listPageEvents } from "../../db/organization-things.ts";
import { listPacks } from "../../db/pack.ts";
import type { Db } from "../../db/query.ts";
import { toReader } from "../caller.ts";
import { pickText } from "../language.ts";
import type { Caller } from "../tokens.ts";
import { describeMember } from "./members.ts";
import type { OrganizationPage } from "./model.ts";
import { describeOrganization } from "./service.ts";

const shownMembers = 12;
const shownThings = 6;

/** An organization's page as this caller may see it, with the beginnings of its lists. */
export async function describePage(
  { db }: { db: Db },
  { row, caller, request }: { row: OrganizationRow; caller: Caller | null; request: Request },
): Promise<typeof OrganizationPage.static> {
  const reader = toReader(caller);
  const things = { organizationId: row.id, reader, limit: shownThings };
  const search = { query: null, tag: null, minecraft: null, loader: null, after: null };
  const [follows, members, packs, events, albums] = await Promise.all([
    countFollows(db, { subject: { organizationId: row.id }, userId: reader.userId }),
    listMembers(db, { organizationId: row.id, all: row.role !== null, after: null, limit: shownMembers }),
    listPacks(db, { ...search, reader, organization: row.slug, limit: shownThings }),
    listPageEvents(db, things),
    listPageAlbums(db, things),
  ]);
  const picked = pickText(row.description, request);
  const mine = `?organization=${row.slug}`;
  return {
    ...describeOrganization(row),
    shown: { description: picked && { lang: picked.lang, fallback: picked.fallback } },
    ...follows,
    members: members.map(describeMember),
    packs: packs.map(({ slug, name, summary, visibility }) => ({ slug, name, summary, visibility })),
    events: events.map(({ slug, title, state, startsAt }) => ({
      slug,
      title,
      state,
      startsAt: startsAt.toISOString(),
    })),
    albums,
    more: {
      members: `/v1/organizations/${row.slug}/members`,
      packs: `/v1/packs${mine}`,
      events: `/v1/events${mine}`,
      albums: `/v1/organizations/${row.slug}/albums`,
    },
  };
}
