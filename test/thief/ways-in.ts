import { createSecretKey } from "node:crypto";
import { browserCookie, passkeyCookie, sessionCookie } from "../../src/http/cookies.ts";
import { stepMs } from "../../src/credentials/second-factors.ts";
import type { Db } from "../../src/db/db.ts";
import { totpCode } from "../../src/keyholder/totp.ts";
import { encodeClaims, grantText } from "../../src/streaming/grants.ts";
import { seedOf } from "./features/feature.ts";
import type { Answer, Ask } from "./http.ts";

/** Everything of one row that a thief can put together. */
export interface Candidate {
  /** The value, in every spelling in which it can be sent. */
  readonly spellings: readonly string[];
  readonly bytes: Buffer;
  readonly row: {
    /** Ids of the row, as text. */
    readonly ids: readonly string[];
    /** Everything of 16 bytes or more in the row, in base64url. */
    readonly secrets: readonly string[];
  };
}

/** What the thief has besides the copy: an account of their own, like anybody. And everybody's address, to be generous. */
export interface Thief {
  readonly cookie: string;
  readonly address: string;
  /** Whose address goes with which account: a thief would have to know it from elsewhere. */
  readonly addresses: ReadonlyMap<string, string>;
  /** Sign-ins that wait for a code, by account: a thief would have to know the password from elsewhere. */
  readonly steps: ReadonlyMap<string, string>;
  readonly now: number;
  /** A challenge that the service gave to the thief's own browser, and what an authenticator would say beside a signature. */
  readonly challenge: {
    readonly text: string;
    readonly browser: string;
    readonly origin: string;
    readonly authenticatorData: string;
  };
}

const passkeyAsk = (answer: object, browser: string): Ask => ({
  method: "POST",
  path: "/api/sessions/passkey",
  headers: { cookie: `${passkeyCookie}=${encodeURIComponent(browser)}` },
  body: { answer },
});

export interface WayIn {
  readonly name: string;
  /** Routes whose credential is tried here; every route that asks for no session is some way's, or is named below. */
  readonly routes: readonly string[];
  asks(candidate: Candidate, thief: Thief): Ask[];
  /** Takes back what was counted for one account: a thief has as many accounts as there are. */
  forgetTries?(db: Db): Promise<unknown>;
  /** Whether the answer lets somebody in, or shows that what was sent is known. */
  accepted(answer: Answer): boolean;
}

const asCookie = (token: string): Readonly<Record<string, string>> => ({
  cookie: `${sessionCookie}=${encodeURIComponent(token)}`,
});
const bearer = (token: string): Readonly<Record<string, string>> => ({ authorization: `Bearer ${token}` });
const isSendable = (text: string): boolean => /^[\x21-\x7e]+$/.test(text);
const ok = ({ status }: Answer): boolean => status >= 200 && status < 300;
const notRefused =
  (...codes: readonly string[]) =>
  (answer: Answer): boolean =>
    ok(answer) || codes.some((code) => answer.text.includes(`"code":"${code}"`));
const newPassword = "a thief's own long sentence";

/** A token is account id, session id and secret: from any two ids of the row and the value. */
function composedTokens({ bytes, row }: Candidate): string[] {
  if (bytes.length !== 32) return [];
  const ids = row.ids.slice(0, 4).map((id) => Buffer.from(id.replaceAll("-", ""), "hex"));
  return ids.flatMap((account) =>
    ids
      .filter((session) => session !== account)
      .map((session) => Buffer.concat([account, session, bytes]).toString("base64url")),
  );
}

/** A grant is the claims and a signature: from the ids of the row and the value. */
function composedGrants({ bytes, row }: Candidate, now: number): string[] {
  if (bytes.length < 64 || row.ids.length < 2) return [];
  const [first = "", second = "", third = first, fourth = third] = row.ids;
  const claims = { accountId: first, sessionId: second, titleId: third, fileId: fourth, expiresAt: now + 3_600_000 };
  const signed = encodeClaims(claims as Parameters<typeof encodeClaims>[0]);
  return [bytes.subarray(0, 64), bytes.subarray(-64)].map((signature) => grantText(signed, signature));
}

/** "It was not me" is the account's id and a secret. */
const composedUndo = (bytes: Buffer, ids: readonly string[]): string[] =>
  bytes.length === 32
    ? ids
        .slice(0, 4)
        .map((id) => Buffer.concat([Buffer.from(id.replaceAll("-", ""), "hex"), bytes]).toString("base64url"))
    : [];

const perSpelling =
  (ask: (spelling: string, thief: Thief) => Ask): WayIn["asks"] =>
  ({ spellings }, thief) =>
    spellings.map((spelling) => ask(spelling, thief));

/** Where two things belong together, each is sent as it is and in base64url: that is how the service takes them. */
const inPairs = (spellings: readonly string[]): readonly string[] => spellings.slice(0, 2);

/** A code with the browser that may use it: each is taken from the row, and each may be the value. */
const codeAndBrowser =
  (path: string, rest: Readonly<Record<string, string>>): WayIn["asks"] =>
  ({ spellings, row }) =>
    inPairs(spellings).flatMap((spelling) => {
      const code = spelling.slice(0, 40);
      const post = (codeText: string, browser: string): Ask => ({
        method: "POST",
        path,
        headers: { cookie: `${browserCookie}=${encodeURIComponent(browser)}` },
        body: { ...rest, code: codeText },
      });
      const others = row.secrets.slice(0, 3);
      return [
        ...others.map((browser) => post(code, browser)),
        ...others.map((other) => post(other.slice(0, 10), spelling)),
      ];
    });

export const waysIn: readonly WayIn[] = [
  {
    name: "a session's cookie",
    routes: [],
    asks: (candidate) =>
      [...candidate.spellings, ...composedTokens(candidate)].map((token) => ({
        method: "GET",
        path: "/api/session",
        headers: asCookie(token),
      })),
    accepted: ok,
  },
  {
    name: "a bearer token",
    routes: [],
    asks: (candidate) =>
      [...candidate.spellings.filter(isSendable), ...composedTokens(candidate)].map((token) => ({
        method: "GET",
        path: "/api/session",
        headers: bearer(token),
      })),
    accepted: ok,
  },
  {
    name: "a grant in a media path",
    routes: ["GET /media/:grant/*"],
    asks: (candidate, { now }) =>
      [
        ...candidate.spellings.filter((text) => text !== "" && text.length < 1_500),
        ...composedGrants(candidate, now),
      ].map((grant) => ({
        method: "GET",
        path: `/media/${encodeURIComponent(grant)}/master.m3u8`,
      })),
    // A grant that holds for a film that is gone is answered 404, and a refused one never gets that far.
    accepted: (answer) => answer.text.includes("#EXTM3U") || (answer.status === 404 && !answer.text.includes("Route")),
  },
  {
    name: "a password",
    routes: ["POST /api/sessions", "POST /sign-in"],
    asks: ({ spellings, row }, { address, addresses }) => {
      const owner = row.ids.map((id) => addresses.get(id)).find((found) => found !== undefined) ?? address;
      return spellings.map((password) => ({
        method: "POST",
        path: "/api/sessions",
        body: { address: owner, password: password.slice(0, 200) },
      }));
    },
    accepted: ok,
  },
  {
    name: "a passkey",
    routes: ["POST /api/sessions/passkey"],
    // Whatever of it a row may hold: the credential's id, the handle, the challenge, the signature, the browser.
    asks: ({ bytes, row }, { challenge }) => {
      const text = bytes.subarray(0, 160).toString("base64url");
      const [id = text, handle = text] = row.secrets;
      const browsers = [...row.secrets.slice(0, 3), text];
      const answer = (challenged: string) => ({
        id: text,
        rawId: text,
        type: "public-key",
        clientExtensionResults: {},
        response: {
          clientDataJSON: Buffer.from(
            JSON.stringify({ type: "webauthn.get", challenge: challenged, origin: challenge.origin }),
          ).toString("base64url"),
          authenticatorData: challenge.authenticatorData,
          signature: text,
          userHandle: handle.slice(0, 86),
        },
      });
      return [
        ...browsers.map((browser) => passkeyAsk(answer(text), browser)),
        passkeyAsk({ ...answer(challenge.text), id, rawId: id }, challenge.browser),
        passkeyAsk(answer(challenge.text), challenge.browser),
      ];
    },
    accepted: ok,
  },
  {
    name: "a recovery code",
    routes: ["POST /api/sessions/second-factor", "POST /sign-in/code"],
    // The step and the code: each is taken from the row, and each may be the value.
    asks: ({ spellings, row }) =>
      inPairs(spellings).flatMap((spelling) =>
        [...row.secrets.slice(0, 2), spelling].flatMap((other) =>
          [
            { step: other.slice(0, 100), code: spelling.slice(0, 40) },
            { step: spelling.slice(0, 100), code: other.slice(0, 40) },
          ].map((body): Ask => ({ method: "POST", path: "/api/sessions/second-factor", body })),
        ),
      ),
    accepted: ok,
  },
  {
    name: "an authenticator app's code",
    routes: [],
    // A seed shows itself by its code (RFC 6238): of the value as it is, or of what it spells in base32.
    asks: ({ spellings, bytes, row }, { steps, now }) => {
      const step = row.ids.map((id) => steps.get(id)).find((found) => found !== undefined);
      if (step === undefined) return [];
      const typed = spellings
        .filter((text) => /^[A-Z2-7]{16,}=*$/i.test(text))
        .map((text) => seedOf(text.toUpperCase()));
      return [bytes, ...typed]
        .filter(({ length }) => length >= 10 && length <= 128)
        .map((seed) => ({
          method: "POST",
          path: "/api/sessions/second-factor",
          body: { step, code: totpCode(createSecretKey(seed), Math.floor(now / stepMs)) },
        }));
    },
    forgetTries: async (db) => {
      await db.run("update sign_in_step set tries = 0 where tries > 0");
      await db.run("update totp set failures = 0, next_try_at = added_at where failures > 0");
    },
    accepted: ok,
  },
  {
    name: "a renewal code",
    routes: ["POST /api/renewals/complete", "POST /renew/code"],
    asks: codeAndBrowser("/api/renewals/complete", { password: newPassword }),
    accepted: notRefused("password-is-old"),
  },
  {
    name: "a sign-up code",
    routes: ["POST /api/accounts/confirm", "POST /sign-up/confirm"],
    asks: codeAndBrowser("/api/accounts/confirm", {}),
    accepted: ok,
  },
  {
    name: "a code for a further address",
    routes: [],
    asks: perSpelling((code, { cookie }) => ({
      method: "POST",
      path: "/api/account/addresses/confirm",
      headers: asCookie(cookie),
      body: { code: code.slice(0, 40) },
    })),
    accepted: ok,
  },
  {
    name: "a device's code",
    routes: ["POST /oauth/token"],
    asks: perSpelling((code) => ({
      method: "POST",
      path: "/oauth/token",
      body: {
        grant_type: "urn:ietf:params:oauth:grant-type:device_code",
        client_id: "houselights-tv",
        device_code: code.slice(0, 100),
      },
    })),
    accepted: (answer) => ok(answer) || /authorization_pending|slow_down|access_denied/.test(answer.text),
  },
  {
    name: "a user code",
    routes: [],
    asks: perSpelling((userCode, { cookie }) => ({
      method: "POST",
      path: "/api/links/lookup",
      headers: asCookie(cookie),
      body: { userCode: userCode.slice(0, 40) },
    })),
    accepted: ok,
  },
  {
    name: "an operator's link",
    routes: ["POST /api/operator-sessions"],
    asks: perSpelling((secret) => ({
      method: "POST",
      path: "/api/operator-sessions",
      body: { secret: secret.slice(0, 100) },
    })),
    accepted: ok,
  },
  {
    name: "a relying service's token",
    routes: [
      "POST /signals/stream",
      "GET /signals/stream",
      "PATCH /signals/stream",
      "PUT /signals/stream",
      "DELETE /signals/stream",
      "GET /signals/status",
      "POST /signals/status",
      "POST /signals/subjects/add",
      "POST /signals/subjects/remove",
      "POST /signals/verify",
      "POST /signals/streams/:id/poll",
    ],
    // One check stands before all of them.
    asks: ({ spellings }) =>
      spellings.filter(isSendable).map((token) => ({
        method: "GET",
        path: "/signals/stream",
        headers: bearer(token),
      })),
    accepted: ok,
  },
  {
    name: 'the link of "it was not me"',
    routes: ["POST /not-me"],
    asks: ({ spellings, bytes, row }) =>
      [...spellings, ...composedUndo(bytes, row.ids)].map((token) => ({
        method: "POST",
        path: "/not-me",
        form: { token: token.slice(0, 200) },
      })),
    accepted: ({ status, location }) => status === 303 && location.startsWith("/not-me/done"),
  },
];

/** Routes that ask for no session and take no credential either, with the reason. */
export const noWayIn: Readonly<Record<string, string>> = {
  "POST /api/accounts": "asks for a code, which goes to the address",
  "POST /sign-up": "the same on a page",
  "POST /api/renewals": "asks for a code, which goes to the address",
  "POST /renew": "the same on a page",
  "POST /api/renewals/place": "says how a place in line stands, which opens no account",
  "POST /oauth/device_authorization": "gives a new device a code that nobody has approved",
  "POST /api/sessions/passkey/options": "gives a challenge, which opens nothing without a passkey",
  "POST /api/bounces": "takes a relay's signed report that letters came back, and opens nothing",
  "POST /sign-out": "ends a session, and opens nothing",
};
