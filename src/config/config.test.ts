import { availableParallelism } from "node:os";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { messageOf } from "../kernel/fault.ts";
import { isLoopback, parseConfig, threadsThatHash } from "./config.ts";
import type { Environment } from "./config.ts";

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

test("only this machine's names are loopback", () => {
  for (const host of ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST"])
    expect(isLoopback(host), host).toBe(true);
  for (const host of ["127.example.com", "10.0.0.1", "::", "0.0.0.0", "localhost.example", "notlocalhost"]) {
    expect(isLoopback(host), host).toBe(false);
  }
});
