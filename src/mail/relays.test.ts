import { expect, test } from "vitest";
import { Secret } from "../kernel/secret.ts";
import { readRelays, type Relay } from "./relays.ts";

const read = (text: string): readonly Relay[] => readRelays(Secret.fromText(text));

test.each<[string, Pick<Relay, "host" | "port" | "tls">]>([
  ["smtp://relay.example", { host: "relay.example", port: 587, tls: "demanded" }],
  ["smtp://relay.example:25?tls=required", { host: "relay.example", port: 25, tls: "demanded" }],
  ["smtp://relay.example?tls=off", { host: "relay.example", port: 587, tls: "none" }],
  ["smtps://relay.example", { host: "relay.example", port: 465, tls: "from the start" }],
  ["smtps://relay.example?tls=off", { host: "relay.example", port: 465, tls: "from the start" }],
  ["smtp://192.0.2.7", { host: "192.0.2.7", port: 587, tls: "demanded" }],
  ["smtp://[2001:db8::7]", { host: "2001:db8::7", port: 587, tls: "demanded" }],
  // Only this machine itself is spoken to in clear unasked, and nothing that is merely called like it.
  ["smtp://127.0.0.1:2525", { host: "127.0.0.1", port: 2525, tls: "none" }],
  ["smtp://[::1]", { host: "::1", port: 587, tls: "none" }],
  ["smtp://localhost", { host: "localhost", port: 587, tls: "none" }],
  ["smtp://localhost?tls=required", { host: "localhost", port: 587, tls: "demanded" }],
  ["smtp://localhost.example", { host: "localhost.example", port: 587, tls: "demanded" }],
  ["smtp://127.relay.example", { host: "127.relay.example", port: 587, tls: "demanded" }],
])("%s is spoken to as %j", (url, relay) => {
  expect(read(url)).toEqual([relay]);
});

test("user and password are those of the URL, its escapes undone", () => {
  const [relay] = read("smtp://fil%40ms:p%3A%2F%25@relay.example");
  expect([relay?.user?.name, relay?.user?.password.revealText()]).toEqual(["fil@ms", "p:/%"]);
  expect(JSON.stringify(relay)).not.toContain("p:/%");
});

test("up to sixteen share the letters", () => {
  const urls = (count: number): string =>
    Array.from({ length: count }, (_, number) => `smtp://relay-${number}.example`).join(" \n");
  expect(read(` ${urls(16)} `).map(({ host }) => host)).toEqual(
    Array.from({ length: 16 }, (_, number) => `relay-${number}.example`),
  );
  expect(() => read(urls(17))).toThrow(/more than 16 relays/);
});

test.each([
  "http://u:hunter2@relay.example",
  "smtp:",
  "smtp://",
  "relay.example:25",
  "smtp://u:hunter2@relay.example?tls=maybe",
  "smtp://u:hunter2%zz@relay.example",
  "smtp://relay.example hunter2",
])("%s is refused without its text", (text) => {
  const refused = (): unknown => {
    try {
      return read(text);
    } catch (thrown) {
      return thrown;
    }
  };
  expect(refused()).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringMatching(/^SMTP_URL/) as unknown });
  expect(String(refused())).not.toMatch(/hunter2|relay\.example/);
});
