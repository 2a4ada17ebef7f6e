import pg from "pg";
import { expect, test } from "vitest";
import { silentLog } from "../kernel/log.ts";
import { openDb } from "./db.ts";
import { translate } from "./unavailable.ts";

test.each([
  ["a host that no name server knows", { host: "database.invalid" }],
  ["a port where nobody listens", { host: "127.0.0.1", port: 1 }],
  ["a socket folder that is not there", { host: "/nowhere" }],
])("%s is a database that does not answer, for statements and transactions", async (_what, connection) => {
  const db = openDb({ connection: { ...connection, user: "nobody", database: "none" }, log: silentLog });
  try {
    await expect(db.one("select 1 as here")).rejects.toMatchObject({ code: "DB_UNAVAILABLE" });
    await expect(db.transaction((tx) => tx.one("select 1 as here"))).rejects.toMatchObject({ code: "DB_UNAVAILABLE" });
  } finally {
    await db.close();
  }
});

const ofServer = (code: string, severity = "ERROR"): Error =>
  Object.assign(new pg.DatabaseError("what the server says", 0, "error"), { code, severity });
const ofSystem = (code: string): Error => Object.assign(new Error("connect"), { code });

test.each<[string, Error]>([
  // Connections that failed, resources that are used up, a lock that was not had in time, a server that starts, stops or gave up on us.
  ...["08000", "08001", "08003", "08006", "53000", "53200", "53300", "53400", "55P03", "57P01", "57P02", "57P03"].map(
    (code): [string, Error] => [code, ofServer(code)],
  ),
  // A transaction that said nothing for too long; a standby.
  ...["25P03", "25006"].map((code): [string, Error] => [code, ofServer(code)]),
  // A role, password or database that is not there now.
  ...["28000", "28P01", "3D000"].map((code): [string, Error] => [code, ofServer(code, "FATAL")]),
  ...[
    "ECONNREFUSED",
    "ECONNRESET",
    "ECONNABORTED",
    "EHOSTUNREACH",
    "EHOSTDOWN",
    "ENETUNREACH",
    "ENETDOWN",
    "ENETRESET",
  ].map((code): [string, Error] => [code, ofSystem(code)]),
  ...["ENOTFOUND", "EAGAIN", "EAI_AGAIN", "ENOENT", "EPIPE", "ETIMEDOUT"].map((code): [string, Error] => [
    code,
    ofSystem(code),
  ]),
  // Of the driver, which has no codes.
  ...[
    "Connection terminated",
    "Connection terminated unexpectedly",
    "Connection terminated: it went silent",
    "Query read timeout",
    "Client has encountered a connection error and is not queryable",
    "timeout exceeded when trying to connect",
    "timeout expired",
  ].map((message): [string, Error] => [message, new Error(message)]),
  // Nobody knows what became of what was under way, whatever the panic was about.
  ["a panic", ofServer("53100", "PANIC")],
])("%s means that the database cannot be had now", (_what, thrown) => {
  expect(translate(thrown)).toMatchObject({ name: "Fault", code: "DB_UNAVAILABLE", cause: thrown });
});

test("a full disk, and a right that is missing, are said to be that", () => {
  expect(translate(ofServer("53100"))).toMatchObject({ name: "Fault", code: "DISK_FULL" });
  expect(translate(ofServer("42501"))).toMatchObject({ name: "Fault", code: "DB_REFUSED" });
});

test.each(["23505", "40001", "40P01", "22012", "42P01", "57014"])(
  "what is the statement's own fault (%s) is thrown as it is",
  (code) => {
    const thrown = ofServer(code);
    expect(translate(thrown)).toBe(thrown);
  },
);

test("what is no error of the database's is thrown as it is", () => {
  for (const thrown of [new Error("the Connection was not terminated"), ofSystem("EACCES"), "a text", undefined])
    expect(translate(thrown)).toBe(thrown);
});
