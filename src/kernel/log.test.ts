import { expect, test } from "vitest";
import { newLog } from "./log.ts";

function logged(facts: object): string {
  let text = "";
  newLog("test", "info", { write: (line) => (text += line) }).info(facts, "said");
  return text;
}

/** What secrets and people are called, in our own code and in the headers and forms of others. */
const names = [
  "password",
  "newPassword",
  "currentPassword",
  "code",
  "token",
  "secret",
  "grant",
  "address",
  "name",
  "access_token",
  "device_code",
  "user_code",
  "authorization",
  "cookie",
  "set-cookie",
];

test.each(names)("what is called %s is left out of a line, at its top and two levels below", (name) => {
  const facts = { [name]: "of-a-person", under: { [name]: "of-a-person", deeper: { [name]: "of-a-person" } } };
  const text = logged(facts);
  expect(text.split("[redacted]")).toHaveLength(4);
  expect(text).not.toContain("of-a-person");
});

test("what is called otherwise is kept, and a card number is left out whatever it is called", () => {
  const text = logged({ reason: "kept", under: { number: "4012 8888 8888 1881" } });
  expect(JSON.parse(text)).toMatchObject({ component: "test", msg: "said", reason: "kept" });
  expect(text).not.toContain("4012 8888");
});
