import type { TitleSummary } from "../../src/wire/titles.ts";

export interface Series {
  readonly id: string;
  readonly name: string;
  readonly poster: TitleSummary["poster"];
  readonly episodes: readonly TitleSummary[];
  /** The episode whose page opens: the one to go on with, else the first. */
  readonly openId: string;
}

const order = (episode: TitleSummary): number => (episode.season ?? 0) * 10_000 + (episode.episode ?? 0);

/** Groups episodes by series, in the order of the list; episodes in theirs. */
export function seriesOf(titles: readonly TitleSummary[]): readonly Series[] {
  const groups = new Map<string, TitleSummary[]>();
  for (const title of titles) {
    if (title.seriesId === null) continue;
    const group = groups.get(title.seriesId);
    if (group === undefined) groups.set(title.seriesId, [title]);
    else group.push(title);
  }
  return [...groups].map(([id, unordered]) => {
    const episodes = unordered.toSorted((one, other) => order(one) - order(other));
    const started = episodes.find(({ progress }) => progress !== null && !progress.watched);
    const next = started ?? episodes.find(({ progress }) => progress?.watched !== true) ?? episodes[0];
    return {
      id,
      name: episodes[0]?.seriesName ?? "",
      poster: episodes.find(({ poster }) => poster !== null)?.poster ?? null,
      episodes,
      openId: next?.id ?? id,
    };
  });
}

/** What came last, newest first. A series stands there once, by the episode to go on with: ten new episodes hide no film. */
export function newestOf(titles: readonly TitleSummary[], most: number): readonly TitleSummary[] {
  const opens = new Map(seriesOf(titles).map(({ id, openId }) => [id, openId]));
  const byId = new Map(titles.map((title) => [title.id, title]));
  const newest = new Set<TitleSummary>();
  for (const title of titles.toSorted((one, other) => other.addedAt.localeCompare(one.addedAt))) {
    const openId = title.seriesId === null ? undefined : opens.get(title.seriesId);
    newest.add((openId === undefined ? undefined : byId.get(openId)) ?? title);
    if (newest.size === most) break;
  }
  return [...newest];
}
