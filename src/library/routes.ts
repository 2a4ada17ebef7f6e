import { Type } from "typebox";
import { parseId, type TitleId } from "../kernel/brand.ts";
import { impossible } from "../kernel/fault.ts";
import type { Db } from "../db/db.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { viewerOf } from "../http/viewer.ts";
import { Closed, IdParams } from "../wire/common.ts";
import { TitleDetail, TitleList, TitleQuery } from "../wire/titles.ts";
import { readPoster } from "./artwork.ts";
import { listTitles, readTitle, type ProgressReader } from "./titles.ts";

export interface LibraryRoutesNeeds {
  readonly db: Db;
  readonly dataDir: string;
  readonly progress: ProgressReader;
}

const titleIdOf = (id: string): TitleId => parseId<TitleId>(id) ?? impossible("the schema let a bad id through");

const PosterQuery = Closed({ v: Type.Optional(Type.String({ maxLength: 64 })) });

/**
 * Posters are made from the library and say nothing about the account, so the asking browser alone may keep them: for
 * an hour, or for a week under an address that names its version. No shared cache may, since the check is ours.
 */
const posterCaching = (isVersioned: boolean): string =>
  isVersioned ? "private, max-age=604800, immutable" : "private, max-age=3600";

/** Lists, details and posters of titles, for every signed-in viewer. */
export function libraryRoutes(app: App, needs: LibraryRoutesNeeds): void {
  app.get(
    "/api/titles",
    {
      config: { access: "viewer" },
      schema: {
        summary: "Titles, newest first, or by match with a search",
        querystring: TitleQuery,
        response: { 200: TitleList },
      },
    },
    async (request) => listTitles(needs, viewerOf(request), request.query),
  );

  app.get(
    "/api/titles/:id",
    {
      config: { access: "viewer" },
      schema: {
        summary: "One title with its tracks, chapters and episodes",
        params: IdParams,
        response: { 200: TitleDetail },
      },
    },
    async (request, reply) => {
      const detail = await readTitle(needs, viewerOf(request), titleIdOf(request.params.id));
      return detail ?? refuse(reply, "not-found");
    },
  );

  app.get(
    "/api/titles/:id/poster",
    {
      config: { access: "viewer" },
      schema: { summary: "The poster, a JPEG", params: IdParams, querystring: PosterQuery, produces: ["image/jpeg"] },
    },
    async (request, reply) => {
      const poster = await readPoster(needs, titleIdOf(request.params.id));
      if (poster === undefined) return refuse(reply, "not-found");
      const etag = `"${poster.digest}"`;
      const { v } = request.query;
      void reply.headers({
        etag,
        "cache-control": posterCaching(v !== undefined && v !== "" && poster.digest.startsWith(v)),
      });
      if (request.headers["if-none-match"]?.includes(etag) === true) return reply.code(304).send();
      const bytes = await poster.read();
      if (bytes === undefined)
        return refuse(reply.removeHeader("etag").header("cache-control", "no-store"), "not-found");
      return reply.type("image/jpeg").send(bytes);
    },
  );
}
