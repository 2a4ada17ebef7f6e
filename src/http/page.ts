import type { FastifyReply } from "fastify";
import { html, type Markup } from "./markup.ts";
import { wordsFor, type Words } from "./words.ts";

/** Addresses of what the build made for plain pages, from its manifest. */
export interface PageAssets {
  readonly script: string;
  readonly styles: readonly string[];
  readonly icon: string | undefined;
}

/** What every plain page has around it; made once at start. */
export interface PageFrame {
  /** `null` where nothing has been built: pages still work, without their looks. */
  readonly assets: PageAssets | null;
  readonly serviceName: string;
  readonly contactAddress: string | null;
}

export interface PageContent {
  readonly title: string;
  readonly body: Markup;
  /** Stands above the body: what everybody who comes here must know first. */
  readonly notice?: Markup | undefined;
  /** The form came back with an error: the title says so first, which is what screen readers read first. */
  readonly failed?: boolean;
  /** For text to read; forms stand in a narrow column. */
  readonly wide?: boolean;
  /**
   * Asked for again after so many seconds where there is no script, which moves the page on without losing the reader's place
   * in it.
   */
  readonly comeBack?: { readonly seconds: number; readonly path: string };
}

/**
 * A whole document with the lights up, in the language of its words. No script or style inside it: the content security policy
 * refuses them.
 */
export function page(frame: PageFrame, words: Words, content: PageContent): string {
  const { assets, serviceName: service, contactAddress } = frame;
  const { title, body, notice, failed = false, wide = false, comeBack } = content;
  const document = html`<!doctype html>
    <html lang="${words.lang}" data-lights="up">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light" />
        <meta name="theme-color" content="#faf5ec" />
        <title>${words.say(failed ? "frame.title.failed" : "frame.title", { title, service })}</title>
        ${assets?.styles.map((style) => html`<link rel="stylesheet" href="${style}" />`)}
        ${assets?.icon !== undefined && html`<link rel="icon" href="${assets.icon}" type="image/svg+xml" />`}
        ${
          comeBack !== undefined &&
          html`<noscript><meta http-equiv="refresh" content="${comeBack.seconds};url=${comeBack.path}" /></noscript>`
        }
        <link rel="manifest" href="/app.webmanifest" />
        ${assets !== null && html`<script type="module" src="${assets.script}"></script>`}
      </head>
      <body class="${wide ? "page is-wide" : "page"}">
        <a class="skip-link" href="#main">${words.say("frame.skip")}</a>
        <header><a class="wordmark" href="/">${service}</a></header>
        <main id="main" tabindex="-1">${notice}${body}</main>
        <footer>
          <span>${words.say("frame.promise", { service })}</span>
          <a href="/notice">${words.say("frame.check-letter")}</a>
          ${
            contactAddress !== null &&
            html`<span
              >${words.mark("frame.contact", {
                contact: html`<a href="mailto:${encodeURIComponent(contactAddress).replace("%40", "@")}"
                  >${contactAddress}</a
                >`,
              })}</span
            >`
          }
        </footer>
      </body>
    </html>`;
  return document.toString();
}

/**
 * Answers a page. Our own forms must name their origin when they post: under the strict referrer policy of everything
 * else a browser sends `Origin: null` with a form (Fetch standard, "append a request `Origin` header").
 */
export function sendPage(reply: FastifyReply, frame: PageFrame, content: PageContent, status = 200): FastifyReply {
  return reply
    .code(status)
    .header("referrer-policy", "same-origin")
    .type("text/html; charset=utf-8")
    .serializer((body: unknown) => String(body))
    .send(page(frame, wordsOf(reply), content));
}

/** The words of a page, in the language of whoever asked. */
export const wordsOf = (reply: FastifyReply): Words => wordsFor(reply.request.headers["accept-language"]);

/** Goes on to another page by GET, so that reloading sends nothing twice (RFC 9110 section 15.4.4). */
export const goTo = (reply: FastifyReply, path: string): FastifyReply => reply.redirect(path, 303);
