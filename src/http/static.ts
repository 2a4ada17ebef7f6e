import fastifyStatic from "@fastify/static";
import type { FastifyReply } from "fastify";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Type } from "typebox";
import { Check } from "typebox/value";
import { dayMs, plus, toIso, type Clock } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import { html } from "./markup.ts";
import { sendPage, wordsOf, type PageAssets, type PageFrame } from "./page.ts";
import type { App } from "./server.ts";
import { translated } from "./words.ts";

/** What the front end's build left behind, read once at start. */
export interface BuiltPages {
  /** Absolute. */
  readonly folder: string;
  readonly assets: PageAssets;
  /**
   * The application's document in one language, for each of its routes; `null` when only the plain pages were built. It
   * names that language's words among what the browser fetches at once, so that nobody waits for them twice.
   */
  readonly application: ((lang: string) => string) | null;
}

const manifestSchema = Type.Record(
  Type.String(),
  Type.Object({ file: Type.String(), css: Type.Optional(Type.Array(Type.String())) }),
);

/**
 * Reads the build's manifest. `null` where there is no build, which is an operator's matter and no reason not to start:
 * the interface for programs needs none.
 */
export function readBuiltPages(folder: string): BuiltPages | null {
  const manifestFile = join(folder, ".vite/manifest.json");
  if (!existsSync(manifestFile)) return null;
  const manifest: unknown = JSON.parse(readFileSync(manifestFile, "utf8"));
  if (!Check(manifestSchema, manifest)) throw new Fault("CONFIG_INVALID", "the build's manifest is unreadable");
  const plain = manifest["plain/plain.ts"];
  if (plain === undefined) throw new Fault("CONFIG_INVALID", "the build's manifest does not name the plain pages");
  const icon = manifest["style/icon.svg"]?.file;
  const documentFile = join(folder, "index.html");
  return {
    folder,
    assets: {
      script: `/${plain.file}`,
      styles: (plain.css ?? []).map((style) => `/${style}`),
      icon: icon === undefined ? undefined : `/${icon}`,
    },
    application: existsSync(documentFile)
      ? documents(readFileSync(documentFile, "utf8"), (lang) => manifest[`text/${lang}.ts`]?.file)
      : null,
  };
}

function documents(document: string, wordsOf: (lang: string) => string | undefined): (lang: string) => string {
  const made = new Map<string, string>();
  for (const lang of Object.keys(translated)) {
    const words = wordsOf(lang);
    if (words === undefined) continue;
    const preload = `    <link rel="modulepreload" crossorigin href="/${words}">\n  </head>`;
    made.set(lang, document.replace('<html lang="en"', `<html lang="${lang}"`).replace("  </head>", preload));
  }
  return (lang) => made.get(lang) ?? document;
}

/** Routes of the browser application. Those for viewers send whoever is signed out to sign-in, and back afterwards. */
const applicationRoutes = {
  viewer: [
    "/",
    "/title/:id",
    "/watch/:id",
    "/account",
    "/console",
    "/console/incident",
    "/console/incident/:id",
    "/console/copy",
    "/mailbox",
  ],
  anyone: ["/tv", "/operate"],
} as const;

interface Needs {
  readonly clock: Clock;
  readonly frame: PageFrame;
  readonly built: BuiltPages | null;
  readonly publicOrigin: string;
  /** RFC 9116; without a contact there is no file. */
  readonly security: {
    readonly contact: string | null;
    readonly policy: string | null;
    readonly languages: readonly string[];
  };
}

/**
 * Serves what the build made: files with a hash in their name for ever, compressed copies where the build made them
 * and the browser takes them; the application's document on each of its routes; and the well-known addresses.
 */
export function staticRoutes(app: App, needs: Needs): void {
  const { frame, built } = needs;
  if (built !== null) {
    // Only for `sendFile`: its own routes would not name their access.
    void app.register(fastifyStatic, {
      root: built.folder,
      serve: false,
      preCompressed: true,
      dotfiles: "ignore",
      suppressWarning: true,
    });
    app.get(
      "/assets/:file",
      { config: { access: "anyone" }, schema: { hide: true, params: Type.Object({ file: Type.String() }) } },
      (request, reply) => reply.sendFile(`assets/${request.params.file}`, { immutable: true, maxAge: 365 * dayMs }),
    );
  }
  for (const access of ["viewer", "anyone"] as const) {
    for (const path of applicationRoutes[access]) {
      app.get(path, { config: { access, page: true }, schema: { hide: true } }, (_request, reply) => {
        if (built === null || built.application === null) return sendUnbuilt(reply, frame);
        return reply.type("text/html; charset=utf-8").send(built.application(wordsOf(reply).lang));
      });
    }
  }
  wellKnownRoutes(app, needs);
}

function wellKnownRoutes(app: App, { clock, frame, built, publicOrigin, security }: Needs): void {
  const open = { config: { access: "anyone" as const }, schema: { hide: true } };
  const icon = built?.assets.icon;
  if (icon !== undefined) app.get("/favicon.ico", open, (_request, reply) => reply.redirect(icon, 302));

  app.get("/app.webmanifest", open, (_request, reply) =>
    reply.type("application/manifest+json").send(
      JSON.stringify({
        name: frame.serviceName,
        short_name: frame.serviceName.slice(0, 12),
        start_url: "/",
        display: "standalone",
        background_color: "#12100d",
        theme_color: "#12100d",
        icons: icon === undefined ? [] : [{ src: icon, sizes: "any", type: "image/svg+xml" }],
      }),
    ),
  );

  // W3C "A Well-Known URL for Changing Passwords": a temporary redirect to where a signed-in person changes it.
  app.get("/.well-known/change-password", open, (_request, reply) => reply.redirect("/account#password", 302));

  const { contact, policy, languages } = security;
  if (contact !== null) {
    app.get("/.well-known/security.txt", open, (_request, reply) =>
      reply.type("text/plain; charset=utf-8").send(
        [
          `Contact: ${contact}`,
          // RFC 9116 section 2.5.5: less than a year ahead, so that a forgotten file is seen to be stale.
          `Expires: ${toIso(plus(clock.now(), 90 * dayMs))}`,
          ...(policy === null ? [] : [`Policy: ${policy}`]),
          `Preferred-Languages: ${languages.join(", ")}`,
          `Canonical: ${publicOrigin}/.well-known/security.txt`,
          "",
        ].join("\n"),
      ),
    );
  }
}

/** For the operator of a service whose front end was never built; nobody else should ever see it. */
function sendUnbuilt(reply: FastifyReply, frame: PageFrame): FastifyReply {
  const words = wordsOf(reply);
  const title = words.say("problem.unbuilt.title");
  const body = html`<div class="card">
    <h1>${title}</h1>
    <p>${words.mark("problem.unbuilt.what", { command: html`<code>npm run build:web</code>` })}</p>
  </div>`;
  return sendPage(reply, frame, { title, body }, 503);
}
