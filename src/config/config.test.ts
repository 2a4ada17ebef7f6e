import { availableParallelism } from "node:os";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { messageOf } from "../kernel/fault.ts";
import {
  bareEnvironment,
  childEnvironment,
  isLoopback,
  lettersLeaveBy,
  parseConfig,
  threadsThatHash,
} from "./config.ts";
import type { Environment } from "./config.ts";
import { parseTlsAddresses } from "./keyholder-place.ts";

const read = (environment: Environment) => parseConfig(environment, "/srv/houselights");

function complaint(environment: Environment): string {
  try {
    read(environment);
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: "CONFIG_INVALID" });
    return messageOf(thrown);
  }
  return "";
}

test("with nothing set, the service is this machine's alone", () => {
  const config = read({});
  expect(config).toMatchObject({
    host: "127.0.0.1",
    port: 8400,
    dataDir: "/srv/houselights/data",
    libraryDir: "/srv/houselights/library",
    databaseUrl: null,
    keyholderAt: null,
    keyholderFiles: null,
    smtpUrl: null,
    mailFrom: "Houselights <no-reply@localhost>",
    serviceName: "Houselights",
    contactAddress: null,
    publicOrigin: "http://localhost:8400",
    isLoopbackOrigin: true,
    tls: null,
    trustProxy: false,
    logLevel: "info",
  });
  expect(config.hashThreads).toBe(threadsThatHash(availableParallelism()));
  expect(Object.isFrozen(config)).toBe(true);
});

test.each([
  [1, 1],
  [2, 1],
  [4, 3],
  [8, 6],
  [128, 64],
])("of %i processors, %i hash", (processors, threads) => {
  expect(threadsThatHash(processors)).toBe(threads);
});

test("every setting is read", () => {
  const config = read({
    HOST: "::",
    PORT: "443",
    DATA_DIR: "/var/lib/houselights",
    LIBRARY_DIR: "films",
    DATABASE_URL: "postgres://user:hunter2@db.example/houselights?sslmode=verify-full",
    KEYHOLDER_URL: "unix:/run/keyholder.sock",
    KEYHOLDER_CREDENTIALS: "/run/keyholder.credentials",
    SMTP_URL: "smtps://user:hunter2@relay.example:465 smtp://second.example",
    MAIL_FROM: "Films <films@example.com>",
    SERVICE_NAME: "Films",
    CONTACT_ADDRESS: "help@example.com",
    SECURITY_CONTACT: "security+films@example.com",
    SECURITY_POLICY: "https://example.com/security",
    SECURITY_LANGUAGES: "en, fr-CA",
    PUBLIC_ORIGIN: "https://films.example.com/",
    TLS_CERT: "tls/cert.pem",
    TLS_KEY: "/etc/tls/key.pem",
    TRUST_PROXY: "10.0.0.0/8, ::1",
    DEADLINES: "deadlines.json",
    LOG_LEVEL: "warn",
    HASH_THREADS: "3",
    SESSION_DAYS: "7",
    DEVICE_SESSION_DAYS: "70",
    SEGMENT_CACHE_MIB: "512",
  });
  expect(config).toMatchObject({
    host: "::",
    port: 443,
    libraryDir: "/srv/houselights/films",
    keyholderAt: { socketPath: "/run/keyholder.sock" },
    keyholderCredentialsFile: "/run/keyholder.credentials",
    mailFrom: "Films <films@example.com>",
    security: {
      contact: "mailto:security%2Bfilms@example.com",
      policy: "https://example.com/security",
      languages: ["en", "fr-CA"],
    },
    publicOrigin: "https://films.example.com",
    isLoopbackOrigin: false,
    tls: { certFile: "/srv/houselights/tls/cert.pem", keyFile: "/etc/tls/key.pem" },
    trustProxy: ["10.0.0.0/8", "::1"],
    deadlines: "/srv/houselights/deadlines.json",
    logLevel: "warn",
    hashThreads: 3,
    sessionDays: 7,
    deviceSessionDays: 70,
    segmentCacheMebibytes: 512,
  });
  expect(config.databaseUrl?.revealText()).toBe("postgres://user:hunter2@db.example/houselights?sslmode=verify-full");
  expect(inspect(config) + JSON.stringify(config)).not.toContain("hunter2");
});

test("every problem is named at once, and no value appears", () => {
  const secret = "correct-horse-7";
  const environment = {
    HOST: `${secret}:80`,
    PORT: `80${secret}`,
    DATABASE_URL: `mysql://root:${secret}@db`,
    KEYHOLDER_URL: `https://${secret}`,
    SMTP_URL: `smtp://relay http://${secret}@relay`,
    MAIL_FROM: secret,
    SERVICE_NAME: `${secret}\u0007`,
    CONTACT_ADDRESS: secret,
    SECURITY_CONTACT: secret,
    SECURITY_POLICY: `http://${secret}`,
    SECURITY_LANGUAGES: `${secret}!`,
    PUBLIC_ORIGIN: `https://user:${secret}@films.example`,
    TLS_CERT: secret,
    TRUST_PROXY: secret,
    LOG_LEVEL: secret,
    HASH_THREADS: secret,
    SESSION_DAYS: "-1",
    DEVICE_SESSION_DAYS: "1e9",
    SEGMENT_CACHE_MIB: "-1",
  };
  const said = complaint(environment);
  for (const name of Object.keys(environment)) {
    expect(said, name).toContain(`${name === "TLS_CERT" ? "TLS_KEY" : name}: `);
  }
  expect(said).not.toContain(secret);
});

test("an empty setting counts as absent", () => {
  expect(read({ PORT: "", SMTP_URL: " ", PUBLIC_ORIGIN: "" })).toMatchObject({ port: 8400, smtpUrl: null });
});

test("a plain http origin is refused with a hint, unless it is this machine", () => {
  expect(complaint({ PUBLIC_ORIGIN: "http://films.example" })).toMatch(/PUBLIC_ORIGIN: is plain http.*hint: use https/);
  expect(complaint({ PUBLIC_ORIGIN: "https://films.example" })).toBe("");
  for (const origin of ["http://localhost:9000", "http://127.0.0.9", "http://[::1]:8400", "http://tv.localhost"]) {
    expect(read({ PUBLIC_ORIGIN: origin }), origin).toMatchObject({ publicOrigin: origin, isLoopbackOrigin: true });
  }
});

test("an origin has no path, query or user", () => {
  for (const rest of ["/films", "?a=1", "#top"]) {
    expect(complaint({ PUBLIC_ORIGIN: `https://films.example${rest}` })).toContain("PUBLIC_ORIGIN: must be");
  }
});

test("listening beyond this machine needs TLS or a proxy", () => {
  const origin = { PUBLIC_ORIGIN: "https://films.example" };
  expect(complaint({ HOST: "0.0.0.0", ...origin })).toMatch(
    /HOST: would be reached .* without encryption; hint: set TLS/,
  );
  expect(complaint({ HOST: "192.168.1.4", ...origin })).toContain("HOST: would be reached");
  expect(complaint({ HOST: "0.0.0.0", TLS_CERT: "c", TLS_KEY: "k", ...origin })).toBe("");
  expect(read({ HOST: "0.0.0.0", TRUST_PROXY: "1", ...origin })).toMatchObject({ trustProxy: 1 });
  expect(read({ HOST: "0.0.0.0", TRUST_PROXY: "0", ...origin })).toMatchObject({ trustProxy: false });
  expect(complaint({ HOST: "0.0.0.0", TLS_CERT: "c", TLS_KEY: "k" })).toContain("PUBLIC_ORIGIN: must be set");
  expect(complaint({ HOST: "films.example", TRUST_PROXY: "1" })).toContain("PUBLIC_ORIGIN: must be set");
});

test("with TLS the usual origin is https", () => {
  expect(read({ HOST: "films.example", TLS_CERT: "c", TLS_KEY: "k" })).toMatchObject({
    publicOrigin: "https://films.example:8400",
    mailFrom: "Houselights <no-reply@films.example>",
  });
});

test("a database address may name a socket folder", () => {
  expect(read({ DATABASE_URL: "postgresql:///houselights?host=/run/postgresql" }).databaseUrl).not.toBeNull();
});

test("a database elsewhere is spoken to by verified TLS, or the service does not start", () => {
  const elsewhere = "postgres://houselights:hunter2@db.example:5432/houselights";
  const taken = [
    "postgres://houselights@localhost/houselights",
    "postgres://houselights@127.0.0.1:5433/houselights",
    "postgres://houselights@[::1]/houselights",
    "postgres:///houselights",
    "postgres://%2Frun%2Fpostgresql/houselights",
    "postgresql:///houselights?host=/run/postgresql",
    `${elsewhere}?sslmode=verify-full`,
    `${elsewhere}?sslrootcert=/etc/ca.pem&sslmode=verify-full`,
    "postgresql:///houselights?host=db.example&sslmode=verify-full",
  ];
  for (const address of taken) expect(read({ DATABASE_URL: address }).databaseUrl?.revealText()).toBe(address);
  const refused = [
    elsewhere,
    "postgres://houselights:hunter2@10.0.0.7/houselights",
    "postgresql:///houselights?host=db.example",
    "postgresql://localhost/houselights?host=db.example",
    "postgresql:///houselights?host=/run/postgresql&host=db.example",
    `${elsewhere}?ssl=true`,
    ...["disable", "allow", "prefer", "require", "verify-ca", "no-verify", "VERIFY-FULL", ""].map(
      (mode) => `${elsewhere}?sslmode=${mode}`,
    ),
    `${elsewhere}?sslmode=verify-full&sslmode=disable`,
    // Broken escapes, which no reading of them may take for this machine.
    "postgres://%zz/houselights",
    "postgres:///houselights?host=%25zz",
    "postgres:///houselights?host=%256cocalhost",
  ];
  for (const address of refused)
    expect(() => read({ DATABASE_URL: address }), address).toThrow(/DATABASE_URL: names another machine/);
  // An address without a host goes where the driver's own variable says.
  expect(() => read({ DATABASE_URL: "postgres:///houselights", PGHOST: "db.example" })).toThrow(/DATABASE_URL/);
  expect(read({ DATABASE_URL: "postgres:///houselights", PGHOST: "/run/postgresql" }).databaseUrl).not.toBeNull();
});

const secretOf32 = "thirty-two characters of a secret".slice(0, 32);
const bounces = { BOUNCE_ADDRESS: "bounce@films.example" };
const tlsFiles = { KEYHOLDER_CA: "ca.pem", KEYHOLDER_CERT: "cert.pem", KEYHOLDER_KEY: "key.pem" };
const byTls = { KEYHOLDER_URL: "tls://10.0.0.5:8430", KEYHOLDER_CREDENTIALS: "keyholder.json" };
const hook = { ALARM_WEBHOOK_URL: "https://bell.example/path", ALARM_WEBHOOK_SECRET: secretOf32 };
const pkcs11 = { KEYS_MODULE: "/usr/lib/hsm.so", KEYS_MODULE_TOKEN: "films", KEYS_MODULE_PIN_FILE: "pin" };

/** The first is taken; the second, which is like it but for one thing, is refused by the name of the setting. */
test.each<[string, Environment, Environment, RegExp]>([
  [
    "alarms are posted by https",
    hook,
    { ...hook, ALARM_WEBHOOK_URL: "http://bell.example/path" },
    /ALARM_WEBHOOK_URL: must be https/,
  ],
  [
    "or in clear to this machine",
    { ...hook, ALARM_WEBHOOK_URL: "http://[::1]:9/path" },
    { ...hook, ALARM_WEBHOOK_URL: "http://[::2]:9/path" },
    /ALARM_WEBHOOK_URL: must be https/,
  ],
  [
    "an address that alarms are posted to carries no user",
    hook,
    { ...hook, ALARM_WEBHOOK_URL: "https://user@bell.example/path" },
    /ALARM_WEBHOOK_URL: must not carry a user/,
  ],
  [
    "without a password",
    hook,
    { ...hook, ALARM_WEBHOOK_URL: "https://:word@bell.example/path" },
    /ALARM_WEBHOOK_URL: must not carry a user/,
  ],
  ["and signed", hook, { ALARM_WEBHOOK_URL: hook.ALARM_WEBHOOK_URL }, /ALARM_WEBHOOK_SECRET: must be 32 to 512/],
  [
    "with a secret of length",
    hook,
    { ...hook, ALARM_WEBHOOK_SECRET: secretOf32.slice(1) },
    /ALARM_WEBHOOK_SECRET: must be 32 to 512/,
  ],
  ["which is of no use alone", hook, { ALARM_WEBHOOK_SECRET: secretOf32 }, /ALARM_WEBHOOK_URL: must be set together/],
  [
    "a token for canaries' mail is long",
    { CANARY_TOKEN: "x".repeat(32) },
    { CANARY_TOKEN: "x".repeat(31) },
    /CANARY_TOKEN: must be 32 to 200/,
  ],
  [
    "a token for metrics is long",
    { METRICS_TOKEN: "x".repeat(200) },
    { METRICS_TOKEN: "x".repeat(201) },
    /METRICS_TOKEN: must be 32 to 200/,
  ],
  [
    "and can stand in a header",
    { METRICS_TOKEN: "x".repeat(32) },
    { METRICS_TOKEN: `${"x".repeat(31)} y` },
    /METRICS_TOKEN: must be 32 to 200/,
  ],
  [
    "a keyholder elsewhere is spoken to by mutual TLS",
    { ...byTls, ...tlsFiles },
    byTls,
    /KEYHOLDER_CA: must be set with/,
  ],
  [
    "with all of its files",
    { ...byTls, ...tlsFiles },
    { ...byTls, ...tlsFiles, KEYHOLDER_KEY: "" },
    /KEYHOLDER_KEY: must be set with the other two/,
  ],
  [
    "and with credentials",
    { ...byTls, ...tlsFiles },
    { ...tlsFiles, KEYHOLDER_URL: byTls.KEYHOLDER_URL },
    /KEYHOLDER_CREDENTIALS: must name/,
  ],
  [
    "a socket's path is absolute",
    { ...byTls, KEYHOLDER_URL: "unix:///run/k.sock" },
    { ...byTls, KEYHOLDER_URL: "unix:k.sock" },
    /KEYHOLDER_URL: must be unix/,
  ],
  [
    "a module's path is absolute",
    pkcs11,
    { ...pkcs11, KEYS_MODULE: "hsm.so" },
    /KEYS_MODULE: must be the absolute path/,
  ],
  ["a module has a token", pkcs11, { ...pkcs11, KEYS_MODULE_TOKEN: "" }, /KEYS_MODULE_TOKEN: must be a token's label/],
  ["a module has a PIN", pkcs11, { ...pkcs11, KEYS_MODULE_PIN_FILE: "" }, /KEYS_MODULE_PIN_FILE: must name a file/],
  [
    "keys are sealed in one way",
    pkcs11,
    { ...pkcs11, KEYS_PASSPHRASE_FILE: "words" },
    /KEYS_PASSPHRASE_FILE: must not be set together/,
  ],
  [
    "a module's library is given what is named",
    { ...pkcs11, KEYS_MODULE_ENVIRONMENT: "HSM_CONF, HSM_LOG" },
    { ...pkcs11, KEYS_MODULE_ENVIRONMENT: "HSM_CONF HSM_LOG" },
    /KEYS_MODULE_ENVIRONMENT: must be names/,
  ],
  [
    "bounces have room for a part of each letter's own",
    { BOUNCE_ADDRESS: `${"b".repeat(18)}@films.example` },
    { BOUNCE_ADDRESS: `${"b".repeat(19)}@films.example` },
    /BOUNCE_ADDRESS: must be an address/,
  ],
  ["and for no other", bounces, { BOUNCE_ADDRESS: "bounce+films@films.example" }, /BOUNCE_ADDRESS: must be an address/],
  [
    "bounces are taken by an address of this machine",
    { ...bounces, BOUNCE_LISTEN: "smtp://[::1]:25" },
    { ...bounces, BOUNCE_LISTEN: "smtp://films.example:25" },
    /BOUNCE_LISTEN: must be lmtp/,
  ],
  [
    "and for an address",
    { ...bounces, BOUNCE_LISTEN: "lmtp://127.0.0.1:24" },
    { BOUNCE_LISTEN: "lmtp://127.0.0.1:24" },
    /BOUNCE_ADDRESS: must be set together with BOUNCE_LISTEN/,
  ],
  [
    "reports of bounces are signed",
    { ...bounces, BOUNCE_WEBHOOK_SECRET: secretOf32 },
    { ...bounces, BOUNCE_WEBHOOK_SECRET: secretOf32.slice(1) },
    /BOUNCE_WEBHOOK_SECRET: must be 32 to 512/,
  ],
  [
    "and for an address as well",
    { ...bounces, BOUNCE_WEBHOOK_SECRET: secretOf32 },
    { BOUNCE_WEBHOOK_SECRET: secretOf32 },
    /BOUNCE_ADDRESS: must be set together with BOUNCE_WEBHOOK_SECRET/,
  ],
  [
    "proxies are named by their addresses",
    { TRUST_PROXY: "10.0.0.0/8,::1" },
    { TRUST_PROXY: "10.0.0.0/8,proxy.example" },
    /TRUST_PROXY: must be/,
  ],
  [
    "in as many bits as an address has",
    { TRUST_PROXY: "10.0.0.1/32, 2001:db8::/128" },
    { TRUST_PROXY: "10.0.0.1/33" },
    /TRUST_PROXY: must be/,
  ],
  [
    "in as many bits as an address of IPv6 has",
    { TRUST_PROXY: "2001:db8::/128" },
    { TRUST_PROXY: "2001:db8::/129" },
    /TRUST_PROXY: must be/,
  ],
  ["with one length", { TRUST_PROXY: "10.0.0.0/8" }, { TRUST_PROXY: "10.0.0.0/8/9" }, /TRUST_PROXY: must be/],
  [
    "a key comes with its certificate",
    { TLS_KEY: "k", TLS_CERT: "c" },
    { TLS_KEY: "k" },
    /TLS_CERT: must be set together with TLS_KEY/,
  ],
  [
    "a name has room on a page",
    { SERVICE_NAME: "f".repeat(60) },
    { SERVICE_NAME: "f".repeat(61) },
    /SERVICE_NAME: must be at most 60/,
  ],
  [
    "a sender is one line",
    { MAIL_FROM: "Films <f@films.example>" },
    { MAIL_FROM: "Films\u000bBcc: x <f@films.example>" },
    /MAIL_FROM: must be/,
  ],
])("%s", (_what, taken, refused, why) => {
  expect(complaint(taken)).toBe("");
  expect(complaint(refused)).toMatch(why);
});

test("what is not said is the usual: where bounces are handed over, whence letters come, and by what they leave", () => {
  expect(read(bounces).bounceListen).toEqual({ protocol: "lmtp", host: "127.0.0.1", port: 8424 });
  expect(read({ ...bounces, BOUNCE_LISTEN: "off" }).bounceListen).toBeNull();
  expect(read({}).bounceListen).toBeNull();
  expect(read({ SERVICE_NAME: 'Film "& more" <club>' }).mailFrom).toBe('"Film & more club" <no-reply@localhost>');
  expect(read({ PUBLIC_ORIGIN: "https://10.0.0.7" }).mailFrom).toBe("Houselights <no-reply@localhost>");
  expect(lettersLeaveBy(read({ SMTP_URL: "smtp://relay.example" }))).toBe("relay");
  expect(lettersLeaveBy(read({}))).toBe("mailbox");
  // Where others reach it, nobody's letters are shown on a page.
  expect(lettersLeaveBy(read({ PUBLIC_ORIGIN: "https://films.example" }))).toBe("nowhere");
});

test("the library of a module gets of the environment what is named and there, and nothing else", () => {
  const seal = read({
    ...pkcs11,
    KEYS_MODULE_ENVIRONMENT: "HSM_CONF,HSM_LOG",
    HSM_CONF: "/etc/hsm",
    SMTP_URL: "smtp://relay",
  });
  expect(seal.keysSeal).toEqual({
    by: "module",
    library: "/usr/lib/hsm.so",
    token: "films",
    keyLabel: "houselights",
    pinFile: "/srv/houselights/pin",
    environment: { HSM_CONF: "/etc/hsm" },
  });
});

test("programs that we start learn where things are, and no setting", () => {
  const set = { SMTP_URL: "smtp://relay", PATH: "/bin", NODE_COMPILE_CACHE: "/cache" };
  const before = Object.keys(set).map((name) => [name, process.env[name]] as const);
  try {
    Object.assign(process.env, set);
    expect(childEnvironment()).toMatchObject({ PATH: "/bin", NODE_COMPILE_CACHE: "/cache" });
    expect(JSON.stringify(childEnvironment())).not.toContain("relay");
    expect(bareEnvironment()).toEqual({ NODE_COMPILE_CACHE: "/cache" });
    delete process.env["NODE_COMPILE_CACHE"];
    expect(bareEnvironment()).toEqual({});
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
});

test.each([
  ["tls://10.0.0.5:8430", [{ host: "10.0.0.5", port: 8430 }]],
  [
    "tls://one.example:1, tls://[2001:db8::1]:65535/",
    [
      { host: "one.example", port: 1 },
      { host: "2001:db8::1", port: 65_535 },
    ],
  ],
  ["tls://one.example", undefined],
  ["tls://one.example:0", undefined],
  ["tls://one.example:65536", undefined],
  ["tls://one.example:8430,http://two.example:8430", undefined],
  ["tls://2001:db8::1:8430", undefined],
  ["tls://user@one.example:8430", undefined],
  [Array<string>(9).fill("tls://one.example:8430").join(), undefined],
  ["", undefined],
])("keyholders at %s are at %j", (text, addresses) => {
  expect(parseTlsAddresses(text)).toEqual(addresses);
});

test("only this machine's names are loopback", () => {
  for (const host of ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST"])
    expect(isLoopback(host), host).toBe(true);
  for (const host of ["127.example.com", "10.0.0.1", "::", "0.0.0.0", "localhost.example", "notlocalhost"]) {
    expect(isLoopback(host), host).toBe(false);
  }
});
