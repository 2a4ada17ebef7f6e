import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { hourMs, type Clock } from "../kernel/clock.ts";
import { Fault } from "../kernel/fault.ts";
import type { Log } from "../kernel/log.ts";
import type { Random } from "../kernel/random.ts";
import type { Db } from "../db/db.ts";
import { bearerIn } from "../http/bearer.ts";
import { readSecret } from "../http/cookies.ts";
import { refuse } from "../http/problem.ts";
import type { App } from "../http/server.ts";
import { withinLimit } from "../http/throttle.ts";
import { whenLeft } from "../http/when-left.ts";
import type { Keyholder } from "../keyholder/keyholder.ts";
import { IdParams, Nothing } from "../wire/common.ts";
import {
  AddSubject,
  ChangeStream,
  CreateStream,
  OneStreamQuery,
  Poll,
  Polled,
  pollMethod,
  pushMethod,
  RemoveSubject,
  StreamConfiguration,
  StreamQuery,
  StreamStatus,
  VerifyStream,
} from "../wire/signals.ts";
import { pollPlaces } from "./poll-places.ts";
import { pollStream } from "./poll.ts";
import { receiverOf, type Receiver } from "./receivers.ts";
import {
  changeStream,
  createStream,
  deleteStream,
  parseStreamId,
  readStatus,
  readStreams,
  setStatus,
  verifyIntervalMs,
  type Unusable,
} from "./streams.ts";
import { noteSubject } from "./subjects.ts";
import { verifyStream } from "./verify.ts";

export interface SignalNeeds {
  readonly db: Db;
  readonly keyholder: Pick<Keyholder, "seal" | "open" | "index">;
  /** Transmitter's role. */
  readonly transmitter: Pick<Keyholder, "open" | "signSets" | "setKeys">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly issuer: string;
  /** How long receivers may keep our public keys. */
  readonly keysKeptSeconds: number;
}

/** Changes of its streams that one relying service may ask for. */
const changesPerReceiver = { purpose: "stream change", limit: 60, windowMs: hourMs } as const;

const everythingElse = { additionalProperties: true } as const;
const Configuration = Type.Object({ issuer: Type.String() }, everythingElse);
const KeySet = Type.Object({ keys: Type.Array(Type.Object({ kid: Type.String() }, everythingElse)) });

/**
 * The Shared Signals transmitter over HTTP (SSF 1.0): discovery, keys, streams and their status, subjects, verification,
 * and polling. A relying service is known by its token alone, in the Authorization header (RFC 6750 section 2.1).
 */
export function signalRoutes(app: App, needs: SignalNeeds): void {
  const { db, clock, issuer, transmitter } = needs;
  const places = pollPlaces();
  const stopping = new AbortController();
  app.addHook("preClose", async () => stopping.abort());

  async function authenticate(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    const secret = readSecret(bearerIn(request.headers));
    const receiver = secret === undefined ? undefined : await receiverOf(db, secret, clock.now());
    if (receiver !== undefined) {
      receivers.set(request, receiver);
      return undefined;
    }
    void reply.header("www-authenticate", secret === undefined ? "Bearer" : 'Bearer error="invalid_token"');
    return refuse(reply, "receiver-refused");
  }
  const receivers = new WeakMap<FastifyRequest, Receiver>();
  const receiver = (request: FastifyRequest): Receiver => {
    const found = receivers.get(request);
    if (found === undefined) throw new Fault("IMPOSSIBLE", "a route of relying services ran without one");
    return found;
  };
  // Before the body is read, as sessions are.
  const byReceiver = { config: { access: "receiver" as const }, onRequest: authenticate };
  // Each change of a stream is an entry of the record, which nothing is ever taken out of.
  const changing = {
    ...byReceiver,
    preHandler: async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> =>
      (await withinLimit(needs, receiver(request).id, changesPerReceiver))
        ? undefined
        : refuse(reply, "too-many", { retryAfterSeconds: 3_600 }),
  };
  const unusable = (reply: FastifyReply, { field, rule }: Unusable): never =>
    refuse<never>(reply, "malformed-request", { fields: [{ field, rule }] });

  app.get(
    "/.well-known/ssf-configuration",
    { config: { access: "anyone" }, schema: { response: { 200: Configuration } } },
    () => ({
      spec_version: "1_0",
      issuer,
      jwks_uri: `${issuer}/signals/jwks.json`,
      delivery_methods_supported: [pushMethod, pollMethod],
      configuration_endpoint: `${issuer}/signals/stream`,
      status_endpoint: `${issuer}/signals/status`,
      add_subject_endpoint: `${issuer}/signals/subjects/add`,
      remove_subject_endpoint: `${issuer}/signals/subjects/remove`,
      verification_endpoint: `${issuer}/signals/verify`,
      authorization_schemes: [{ spec_urn: "urn:ietf:rfc:6750" }],
      default_subjects: "ALL",
    }),
  );

  app.get(
    "/signals/jwks.json",
    { config: { access: "anyone" }, schema: { response: { 200: KeySet } } },
    async (_request, reply) => {
      const keys = await transmitter.setKeys();
      void reply.header("cache-control", `public, max-age=${needs.keysKeptSeconds}`);
      return { keys: keys.map((key) => ({ kty: "RSA", use: "sig", alg: "RS256", ...key })) };
    },
  );

  app.post(
    "/signals/stream",
    { ...changing, schema: { body: CreateStream, response: { 201: StreamConfiguration } } },
    async (request, reply) => {
      const outcome = await createStream(needs, receiver(request), request.body);
      switch (outcome.kind) {
        case "created":
          return reply.code(201).send(outcome.stream);
        case "too-many":
          return refuse(reply, "too-many-streams");
        case "no-such-receiver":
          return refuse(reply, "receiver-refused");
        case "unusable":
          return unusable(reply, outcome);
      }
    },
  );

  app.get(
    "/signals/stream",
    {
      ...byReceiver,
      schema: {
        querystring: StreamQuery,
        response: { 200: Type.Union([StreamConfiguration, Type.Array(StreamConfiguration)]) },
      },
    },
    async (request, reply) => {
      const { stream_id: id } = request.query;
      const streams = await readStreams(needs, receiver(request), id === undefined ? undefined : parseStreamId(id));
      if (id === undefined) return streams;
      const [stream] = streams;
      return stream ?? refuse(reply, "not-found");
    },
  );

  for (const [method, how] of [
    ["PATCH", "update"],
    ["PUT", "replace"],
  ] as const) {
    app.route({
      method,
      url: "/signals/stream",
      ...changing,
      schema: { body: ChangeStream, response: { 200: StreamConfiguration } },
      handler: async (request, reply) => {
        const outcome = await changeStream(needs, receiver(request), request.body, how);
        switch (outcome.kind) {
          case "changed":
            return outcome.stream;
          case "no-such-stream":
            return refuse(reply, "not-found");
          case "unusable":
            return unusable(reply, outcome);
        }
      },
    });
  }

  app.delete(
    "/signals/stream",
    { ...changing, schema: { querystring: OneStreamQuery, response: { 204: Nothing } } },
    async (request, reply) => {
      const isGone = await deleteStream(needs, receiver(request), parseStreamId(request.query.stream_id));
      return isGone ? reply.code(204).send(null) : refuse(reply, "not-found");
    },
  );

  app.get(
    "/signals/status",
    { ...byReceiver, schema: { querystring: OneStreamQuery, response: { 200: StreamStatus } } },
    async (request, reply) => {
      const { stream_id } = request.query;
      const found = await readStatus(db, receiver(request), parseStreamId(stream_id));
      if (found === undefined) return refuse(reply, "not-found");
      return { stream_id, status: found.status, ...(found.reason === null ? {} : { reason: found.reason }) };
    },
  );

  app.post(
    "/signals/status",
    { ...changing, schema: { body: StreamStatus, response: { 200: StreamStatus } } },
    async (request, reply) => {
      const { stream_id, status, reason = null } = request.body;
      const isSet = await setStatus(needs, receiver(request), parseStreamId(stream_id), { status, reason });
      return isSet ? request.body : refuse(reply, "not-found");
    },
  );

  for (const [path, state, code, body] of [
    ["add", "added", 200, AddSubject],
    ["remove", "removed", 204, RemoveSubject],
  ] as const) {
    app.post(
      `/signals/subjects/${path}`,
      { ...byReceiver, schema: { body, response: { [code]: Nothing } } },
      async (request, reply) => {
        const { stream_id, subject } = request.body;
        const outcome = await noteSubject(needs, receiver(request), parseStreamId(stream_id), subject, state);
        switch (outcome) {
          case "noted":
            // Empty, as SSF 1.0 sections 8.1.3.2 and 8.1.3.3 have it.
            return reply
              .code(code)
              .serializer(() => "")
              .send(null);
          case "no-such-stream":
            return refuse(reply, "not-found");
          case "other-format":
            return unusable(reply, {
              kind: "unusable",
              field: "body.subject.format",
              rule: "is the format of the stream",
            });
        }
      },
    );
  }

  app.post(
    "/signals/verify",
    { ...byReceiver, schema: { body: VerifyStream, response: { 204: Nothing } } },
    async (request, reply) => {
      const { stream_id, state } = request.body;
      const outcome = await verifyStream(needs, receiver(request), parseStreamId(stream_id), state);
      switch (outcome) {
        case "queued":
          return reply.code(204).send(null);
        case "no-such-stream":
          return refuse(reply, "not-found");
        case "disabled":
          return refuse(reply, "stream-disabled");
        case "too-soon":
          return refuse(reply, "too-many", { retryAfterSeconds: verifyIntervalMs / 1_000 });
      }
    },
  );

  app.post(
    "/signals/streams/:id/poll",
    { ...byReceiver, schema: { params: IdParams, body: Poll, response: { 200: Polled } } },
    async (request, reply) => {
      const left = new AbortController();
      whenLeft(reply, () => left.abort());
      const polled = await pollStream(
        { ...needs, keyholder: transmitter },
        places,
        receiver(request),
        parseStreamId(request.params.id),
        request.body,
        AbortSignal.any([left.signal, stopping.signal]),
      );
      return polled ?? refuse(reply, "not-found");
    },
  );
}
