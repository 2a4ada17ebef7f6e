import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import { createRemoteJWKSet, jwtVerify, decodeProtectedHeader, type JWTPayload } from "jose";

/** A relying service as SSF 1.0, RFC 8935 and RFC 8936 have it, over HTTP and with `jose`; it knows nothing of ours but an address. */

export interface ReceivedSet extends JWTPayload {
  readonly jti: string;
  readonly txn: string;
  readonly sub_id: Readonly<Record<string, string>>;
  readonly events: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

interface Discovered {
  readonly issuer: string;
  readonly jwks_uri: string;
  readonly [endpoint: string]: unknown;
}

export interface StreamReply {
  readonly stream_id: string;
  readonly iss: string;
  readonly aud: string;
  readonly delivery: { readonly method: string; readonly endpoint_url: string };
  readonly events_delivered: readonly string[];
  readonly events_supported: readonly string[];
  readonly [field: string]: unknown;
}

/** Fetches the transmitter's configuration and checks it (SSF 1.0 section 7.2.4), and knows its keys from then on. */
export async function discover(issuer: string, token: string, audience: string) {
  const answer = await fetch(`${issuer}/.well-known/ssf-configuration`);
  const configuration = (await answer.json()) as Discovered;
  if (configuration.issuer !== issuer) throw new Error("the issuer is not the one that was asked");
  const keys = createRemoteJWKSet(new URL(configuration.jwks_uri), { cooldownDuration: 0 });

  async function ask(method: string, url: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) {
    const reply = await fetch(url, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await reply.text();
    return { status: reply.status, text, headers: reply.headers, body: text === "" ? undefined : JSON.parse(text) };
  }

  /** RFC 8417 section 2, SSF 1.0 section 4.1 and CAEP Interop 1.0 sections 2.6 and 2.8, clause by clause. */
  async function validate(set: string): Promise<ReceivedSet> {
    const header = decodeProtectedHeader(set);
    if (header.typ !== "secevent+jwt" || header.alg !== "RS256") throw new Error("not typed or signed as a SET");
    const { payload } = await jwtVerify(set, keys, {
      issuer,
      audience,
      typ: "secevent+jwt",
      algorithms: ["RS256"],
      requiredClaims: ["jti", "iat", "events", "sub_id", "txn"],
    });
    for (const name of ["sub", "exp", "nbf"]) if (name in payload) throw new Error(`a SET has no ${name}`);
    const received = payload as unknown as ReceivedSet;
    if (Object.keys(received.events).length !== 1) throw new Error("a SET has one event");
    if (typeof received.sub_id["format"] !== "string") throw new Error("the subject has no format");
    return received;
  }

  return {
    configuration,
    keys,
    validate,
    ask,
    endpoint: (name: string): string => String(configuration[`${name}_endpoint`]),
    createStream: async (body: object): Promise<StreamReply> => {
      const { status, body: made, text } = await ask("POST", String(configuration["configuration_endpoint"]), body);
      if (status !== 201) throw new Error(`create: ${status} ${text}`);
      if (made.iss !== issuer || made.aud !== audience) throw new Error("the stream is somebody else's");
      return made as StreamReply;
    },
    /** One poll (RFC 8936 section 2.4); each SET is validated, and its key is its `jti`. */
    poll: async (url: string, body: object): Promise<{ readonly sets: ReceivedSet[]; readonly more: boolean }> => {
      const { status, body: polled, text } = await ask("POST", url, body);
      if (status !== 200) throw new Error(`poll: ${status} ${text}`);
      const sets: ReceivedSet[] = [];
      for (const [jti, set] of Object.entries(polled.sets as Record<string, string>)) {
        const valid = await validate(set);
        if (valid.jti !== jti) throw new Error("a SET under another's jti");
        sets.push(valid);
      }
      return { sets, more: polled.moreAvailable === true };
    },
  };
}

/** What a push endpoint does with one request instead of taking it; `undefined` takes it. */
export type Misbehave = (request: IncomingMessage, response: ServerResponse, set: string) => boolean;

/** A push endpoint (RFC 8935 section 2): keeps what came, in order, whether or not it was taken. */
export async function pushEndpoint() {
  const came: { readonly set: string; readonly headers: IncomingMessage["headers"]; readonly taken: boolean }[] = [];
  let misbehave: Misbehave = () => false;
  const server = createServer((request, response) => {
    let set = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => (set += chunk));
    request.on("end", () => {
      const taken = !misbehave(request, response, set);
      came.push({ set, headers: request.headers, taken });
      if (taken) response.writeHead(202).end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    origin: `http://localhost:${port}`,
    came,
    answer: (how: Misbehave = () => false): void => {
      misbehave = how;
    },
    close: async (): Promise<void> => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers with a status, and a body if it is an error of RFC 8935 section 2.3. */
export const answering =
  (status: number, err?: string, headers: Readonly<Record<string, string>> = {}): Misbehave =>
  (_request, response) => {
    response.writeHead(status, { ...(err === undefined ? {} : { "content-type": "application/json" }), ...headers });
    response.end(err === undefined ? "" : JSON.stringify({ err, description: "said by the receiver" }));
    return true;
  };
