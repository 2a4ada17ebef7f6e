import swagger from "@fastify/swagger";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import fastify, {
  type FastifyError,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
  type onResponseHookHandler,
  type preParsingHookHandler,
} from "fastify";
import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { TSchema } from "typebox";
import { minuteMs, type Clock } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import { Secret } from "../kernel/secret.ts";
import { limits, Problem } from "../wire/common.ts";
import { answerError } from "./answer-error.ts";
import { bearerIn } from "./bearer.ts";
import { clearSessionCookie, readCookie, sessionCookie } from "./cookies.ts";
import { parseForm } from "./form-body.ts";
import { isUnsafe, refusalOf } from "./judge-request.ts";
import type { PageFrame } from "./page.ts";
import { refuse, type ProblemCode } from "./problem.ts";
import { requestIds } from "./request-ids.ts";
import { secureHeaders } from "./security-headers.ts";
import { connectionsWithin, limitConnections, openFilesLimit, type TrustProxy } from "./connections.ts";
import { countUnanswered } from "./unanswered.ts";
import { answerUnreadable } from "./unreadable.ts";
import { malformed, parseJson, validator } from "./validator.ts";
import { whatIsMissing, type HasSecondFactor } from "./strong-proof.ts";
import type { Access, Check, Presented, RouteRow, Viewer } from "./viewer.ts";

/** The server as rooms see it when they add their routes. */
export type App = ReturnType<typeof newServer>;

export interface ServerOptions {
  readonly publicOrigin: string;
  readonly trustProxy: TrustProxy;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
  readonly check: Check;
  /** Asked where an operator has not proved more than a password. */
  readonly hasSecondFactor: HasSecondFactor;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** What plain pages have around them; without it every refusal is application/problem+json. */
  readonly pageFrame?: PageFrame;
  /** Connections at once; as many as the system leaves room for, and at most `mostConnections`, unless given. */
  readonly connections?: number;
  /** Called once per finished request with the route's template, for metrics. */
  readonly finished?: (method: string, route: string, status: number, durationMs: number) => void;
}

const trustedProxies = (setting: Exclude<TrustProxy, number>): false | string[] => setting && [...setting];

/** TLS 1.3's, and of TLS 1.2's those with forward secrecy and authenticated encryption (RFC 9325 section 4.2). */
const cipherSuites = [
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_AES_128_GCM_SHA256",
  ...["AES256-GCM-SHA384", "CHACHA20-POLY1305", "AES128-GCM-SHA256"].flatMap((suite) => [
    `ECDHE-ECDSA-${suite}`,
    `ECDHE-RSA-${suite}`,
  ]),
].join(":");

/** Node's own server: in clear, or by TLS. */
function transportOf({ tls }: Pick<ServerOptions, "tls">) {
  const ofNode = {
    // Judged in a hook, whose answer is like all others.
    requireHostHeader: false,
    // Below `requestTimeout`: Node waits for a body for the longer of the two.
    headersTimeout: 20_000,
    // How late somebody is noticed who sends a request byte by byte.
    connectionsCheckingInterval: 5_000,
  };
  if (tls === null) return { http: ofNode };
  return {
    https: {
      ...ofNode,
      cert: readFileSync(tls.certFile),
      key: readFileSync(tls.keyFile),
      minVersion: "TLSv1.2",
      ciphers: cipherSuites,
      honorCipherOrder: true,
    },
  };
}

/** Typed as a plain one: rooms never touch the socket, and a type that names TLS would reach into all of them. */
const plainServer = (settings: object) =>
  fastify(settings as FastifyServerOptions).withTypeProvider<TypeBoxTypeProvider>();

/**
 * Builds the server without listening. Every route must name its access (`config.access`); bodies are JSON or, for the
 * plain pages, forms; unknown fields, wrong types, bad UTF-8 and oversize are refused before a handler runs.
 */
export function newServer(options: ServerOptions) {
  const { log, trustProxy } = options;
  const secure = secureHeaders(options.publicOrigin);
  const answering = new WeakMap<Socket, ServerResponse>();
  const unreadable = answerUnreadable(secure.data, answering);
  const settings: FastifyServerOptions = {
    // Our own log line: the route's template, never the URL, which may carry a grant.
    logger: false,
    bodyLimit: limits.bodyBytes,
    routerOptions: { maxParamLength: 2_000 },
    trustProxy: typeof trustProxy === "number" ? (_address, hop) => hop < trustProxy : trustedProxies(trustProxy),
    requestTimeout: 30_000,
    // Nothing read or written for so long: somebody who stops reading in the middle of an answer keeps it in memory. Event
    // streams write something every second.
    connectionTimeout: 5 * minuteMs,
    forceCloseConnections: "idle",
    genReqId: requestIds(options.random),
    // What arrives while we stop is answered like any other, and its connection closed: nobody gets a refusal for our
    // sake.
    return503OnClosing: false,
    clientErrorHandler: unreadable,
    // A path that is no UTF-8, or has a part that is too long, leads to no route, and no hook has run.
    frameworkErrors: (_error, _request, reply) => {
      void reply.headers(secure.page);
      return refuse(reply, "malformed-request");
    },
  };
  const app = plainServer({ ...settings, ...transportOf(options) });

  // Nobody is led on to another host. Node would close the connection without a word.
  app.server.on("connect", (_request, socket: Socket) => {
    // Node has taken its own listener off: without one, a client that hangs up before the answer would end the process.
    socket.on("error", () => socket.destroy());
    unreadable(new Error("CONNECT"), socket);
  });
  // What is expected besides a 100 is not met and not refused (RFC 9110 section 10.1.1): the answer is one of ours.
  app.server.on("checkExpectation", (request, response) => app.server.emit("request", request, response));

  const { connections = connectionsWithin(openFilesLimit()) } = options;
  limitConnections(app.server, connections, options);

  app.setValidatorCompiler(({ schema, httpPart }) => validator(schema as TSchema, httpPart ?? "body"));
  addBodyParsers(app);
  describeRoutes(app);

  app.decorateRequest("viewer", null);
  app.decorateReply("isLogged", false);
  app.decorate("pageFrame", options.pageFrame ?? null);
  judgeRoutes(app, options);

  // With callbacks where nothing is awaited: a promise for each hook of each request is a tenth of a session check.
  const isTaken = countUnanswered();
  app.addHook("onRequest", (request, reply, next) => {
    if (!isTaken(request.raw.socket, reply.raw)) return void reply.hijack();
    answering.set(request.raw.socket, reply.raw);
    // A path that does not exist is answered with a page where a browser asks for one.
    void reply.headers(request.url.startsWith("/api/") && !request.is404 ? secure.data : secure.page);
    const refusal = refusalOf(request, options.publicOrigin);
    if (refusal === undefined) next();
    else refuse(reply, refusal);
  });
  const nowhere = counting("unknown", options);
  app.addHook("onResponse", (request, reply, next) => {
    if (request.is404) nowhere.call(app, request, reply, next);
    else next();
  });

  app.setNotFoundHandler({ preHandler: [] }, (_request, reply) => refuse(reply, "not-found"));
  app.setErrorHandler((error: FastifyError | Error, request, reply) => answerError(error, request, reply, log));
  // Written once, when all routes are there: for each request it took longer than everything else that anybody may ask for.
  let described: Buffer | undefined;
  app.get("/openapi.json", { config: { access: "anyone" }, schema: { hide: true } }, (_request, reply) =>
    reply.type("application/json").send((described ??= Buffer.from(JSON.stringify(app.swagger())))),
  );
  return app;
}

type Plain = ReturnType<typeof plainServer>;

/** Bodies are JSON (RFC 8259) or forms, both in UTF-8; anything else is refused as a type that is not taken. */
function addBodyParsers(app: Plain): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => {
    try {
      done(null, parseJson(body as Buffer));
    } catch {
      done(malformed("body", "is JSON in UTF-8"));
    }
  });
  app.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "buffer" }, (_request, body, done) => {
    try {
      done(null, parseForm(body as Buffer));
    } catch {
      done(malformed("body", "is a form in UTF-8, each field once"));
    }
  });
}

/** What /openapi.json says of the routes. */
function describeRoutes(app: Plain): void {
  // Called and not registered: a registered plugin is loaded when every route is there already, and describes none.
  swagger(
    app,
    {
      openapi: {
        openapi: "3.1.0",
        info: { title: "Houselights", version: "1", description: "Errors are application/problem+json (RFC 9457)." },
        components: {
          securitySchemes: {
            cookie: { type: "apiKey", in: "cookie", name: sessionCookie },
            bearer: { type: "http", scheme: "bearer" },
          },
        },
      },
      hideUntagged: false,
    },
    (error) => {
      if (error !== undefined) throw error;
    },
  );
}

/** Keeps the table of routes, gives each what judges who calls it, and throws for one that does not say who may. */
function judgeRoutes(app: Plain, options: ServerOptions): void {
  const routeTable: RouteRow[] = [];
  app.decorate("routeTable", routeTable);
  app.addHook("onRoute", (route) => {
    const access = route.config?.access;
    if (access === undefined && route.method !== "HEAD" && route.method !== "OPTIONS") {
      throw new Fault("IMPOSSIBLE", `route ${String(route.method)} ${route.url} does not name its access`);
    }
    for (const method of [route.method].flat()) {
      if (access === "operator" && isUnsafe(method)) {
        throw new Fault("IMPOSSIBLE", `route ${method} ${route.url} does something, and its access is for reading`);
      }
      const body = route.schema?.body as TSchema | undefined;
      if (access === undefined) continue;
      routeTable.push({ method, url: route.url, access, ...(body === undefined ? {} : { body }) });
    }
    if (route.url.startsWith("/api/") && route.schema !== undefined && route.schema.response !== undefined) {
      route.schema.response = { ...route.schema.response, default: { description: "refused", ...Problem } };
    }
    if (route.schema !== undefined && access !== "anyone" && route.schema.security === undefined) {
      route.schema.security = [{ cookie: [] }, { bearer: [] }];
    }
    // Made here, where a route's settings are at hand: asking a request for them is a twentieth of a session check.
    if (access !== undefined && access !== "grant" && access !== "receiver") {
      route.preParsing = [admission(access, route.config?.page === true, options), ...[route.preParsing ?? []].flat()];
    }
    route.onResponse = [counting(route.url, options), ...[route.onResponse ?? []].flat()];
  });
}

/** What is judged here; grants and receivers' tokens are judged by their routes. */
type JudgedAccess = Exclude<Access, "grant" | "receiver">;

/** What a route does before it reads a body: finds out who asks, and judges them against its access. */
function admission(access: JudgedAccess, page: boolean, options: ServerOptions): preParsingHookHandler {
  return (request, reply, payload, next) => {
    const presented = presentedBy(request);
    const admitted = (viewer: Viewer | null): void => {
      request.viewer = viewer;
      // A cookie that opens nothing is taken back, so that a browser does not go on showing it. With pages only: the answer
      // to a request that a page made before a proof replaced its token may come after the one that brings the new token.
      if (page && presented?.kind === "cookie" && viewer === null) clearSessionCookie(reply);
      admit(request, reply, access, page, options, (error) => next(error ?? null, payload));
    };
    if (presented === undefined) return admitted(null);
    options.check(presented).then(admitted, next);
  };
}

/** Counts an answer, and logs it by the route's template; one that failed in a line of its own, unless that was logged with its reason. */
function counting(route: string, { log, finished }: ServerOptions): onResponseHookHandler {
  return (request, reply, next) => {
    finished?.(request.method, route, reply.statusCode, reply.elapsedTime);
    const level = reply.statusCode >= 500 && !reply.isLogged ? "warn" : "debug";
    if (log.isLevelEnabled(level)) {
      const { statusCode, elapsedTime } = reply;
      const ms = Math.round(elapsedTime);
      log[level]({ reference: request.id, method: request.method, route, status: statusCode, ms }, "request");
    }
    next();
  };
}

/**
 * Judges the viewer against the route's access; answers the refusal itself, and calls `next` otherwise. Waits for nothing
 * unless it has to ask what an operator could prove.
 */
function admit(
  request: FastifyRequest,
  reply: FastifyReply,
  access: JudgedAccess,
  page: boolean,
  { clock, hasSecondFactor, log }: Pick<ServerOptions, "clock" | "hasSecondFactor" | "log">,
  next: (error?: Error | null) => void,
): void {
  if (access === "anyone") return next();
  const { viewer } = request;
  if (viewer === null) {
    if (page) reply.redirect(`/sign-in?next=${encodeURIComponent(request.url)}`, 303);
    else refuse(reply, "not-signed-in");
    return;
  }
  const settle = (missing: ProblemCode | undefined): void => {
    if (missing === undefined) return next();
    // Somebody who is signed in and asks for what is not theirs: seldom, and worth a line (ASVS 5.0 16.3.2).
    const { method, id: reference } = request;
    log.info({ reference, method, route: request.routeOptions.url, session: viewer.sessionId, missing }, "refused");
    const detail = whatToDo[missing];
    refuse(reply, missing, detail === undefined ? {} : { detail });
  };
  const missing = whatIsMissing(access, viewer, clock.now(), hasSecondFactor);
  if (missing instanceof Promise) missing.then(settle, next);
  else settle(missing);
}

const whatToDo: Partial<Record<ProblemCode, string>> = {
  "proof-needed":
    "POST /api/session/proof with the password (and the code of a second factor), or /api/session/proof/passkey, then try again",
  "strong-proof-needed":
    "POST /api/session/proof/passkey, or /api/session/proof with password and code, then try again",
  "second-factor-required":
    "add a passkey or an authenticator app at /account, or by POST /api/account/passkeys or /api/account/totp, then try again",
};

function presentedBy(request: FastifyRequest): Presented | undefined {
  if (request.headers.authorization !== undefined) {
    // One that cannot be read is a credential that opens nothing, not a reason to look at the cookie.
    return { kind: "bearer", token: Secret.fromText((bearerIn(request.headers) ?? "").slice(0, 300)) };
  }
  const fromCookie = readCookie(request, sessionCookie);
  return fromCookie === undefined ? undefined : { kind: "cookie", token: Secret.fromText(fromCookie.slice(0, 300)) };
}
