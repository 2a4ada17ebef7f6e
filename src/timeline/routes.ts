import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { FastifyReply } from "fastify";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { readTilePath } from "./tile-paths.ts";

/**
 * The published timeline over HTTP under the prefix `/timeline` (C2SP tlog-tiles). For operators, their tools' tokens
 * included, and for nobody else: entries tell when each account did what, and the mere growth of the tree would tell a
 * thief who has just tried an address whether it was a canary's.
 */
export function timelineRoutes(app: App, { folder }: { readonly folder: string }): void {
  app.get(
    "/timeline/checkpoint",
    { config: { access: "operator" }, schema: { summary: "The newest signed checkpoint of the timeline" } },
    (_request, reply) => {
      void reply.header("cache-control", "no-store");
      return sendFile(reply, join(folder, "checkpoint"), "text/plain; charset=utf-8");
    },
  );

  app.get<{ Params: { readonly "*": string } }>(
    "/timeline/tile/*",
    {
      config: { access: "operator" },
      // No schema for the parameter: it is text whatever is sent, and is parsed below.
      schema: { summary: "A tile of hashes, or a bundle of entries, of the timeline" },
    },
    (request, reply) => {
      const path = `tile/${request.params["*"]}`;
      if (readTilePath(path) === undefined) return refuse(reply, "not-found");
      void reply.header("cache-control", "private, max-age=31536000, immutable");
      return sendFile(reply, join(folder, path), "application/octet-stream");
    },
  );
}

async function sendFile(reply: FastifyReply, path: string, contentType: string): Promise<FastifyReply> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown && (thrown.code === "ENOENT" || thrown.code === "ENOTDIR"))) {
      throw thrown;
    }
    void reply.header("cache-control", "no-store");
    return refuse(reply, "not-found");
  }
  const { size } = await file.stat();
  return reply.type(contentType).header("content-length", size).send(file.createReadStream());
}
