import { expect, test } from "vitest";
import { answering, pushEndpoint } from "../../test/signal-receiver.ts";
import { refuseEndpoint, refuseOrigin } from "./endpoint.ts";
import { mayConnect, postSet } from "./post-set.ts";

/** P15: signals go to the origin that was agreed with a relying service, and to no other place. */

const agreed = "https://rely.example";

test("an endpoint is any address of the very origin that was agreed, and carries no secret of its own", () => {
  expect(refuseEndpoint(`${agreed}/events?part=1`, agreed)).toBeUndefined();
  for (const other of [
    "https://rely.example.org/events",
    "https://rely.example:8443/events",
    "http://rely.example/events",
    "https://user@rely.example/events",
    "https://:secret@rely.example/events",
    "https://rely.example/events#part",
    `https://rely.example/${"x".repeat(1_000)}`,
    "rely.example/events",
  ]) {
    expect([other, refuseEndpoint(other, agreed)]).toEqual([other, expect.any(String)]);
  }
  expect(refuseEndpoint(`${agreed}/events`, null)).toMatch(/polls/);
});

test.each([
  ["https://rely.example", true, true],
  ["https://rely.example/", true, true],
  ["https://rely.example:8443", true, true],
  ["https://rely.example/events", false, false],
  ["https://user@rely.example", false, false],
  ["http://rely.example", false, false],
  ["http://localhost:9000", false, true],
  ["https://localhost:9000", false, true],
  ["https://[::1]:9000", false, true],
  ["https://93.184.215.14", false, false],
  ["https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]", false, false],
  ["ftp://rely.example", false, false],
  ["rely.example", false, false],
] as const)(
  "signals may be agreed to go to %s: %s, and %s where the service is on one's own machine",
  (origin, far, near) => {
    expect([
      refuseOrigin(origin, { isLoopbackOrigin: false }) === undefined,
      refuseOrigin(origin, { isLoopbackOrigin: true }) === undefined,
    ]).toEqual([far, near]);
  },
);

test("a receiver on this machine is on this machine", () => {
  const here = { privateNetwork: false, isThisMachine: true };
  expect(["127.0.0.1", "::1"].map((address) => mayConnect(address, here))).toEqual([true, true]);
  expect(["93.184.215.14", "10.1.2.3", "169.254.169.254"].map((address) => mayConnect(address, here))).toEqual([
    false,
    false,
    false,
  ]);
});

test.each([
  ["http://rely.example/events", "it is not https"],
  ["https://127.0.0.1:9/events", "its address is not a place of the internet"],
  ["https://[::1]:9/events", "its address is not a place of the internet"],
  // A name that points to this machine.
  ["https://localhost:9/events", "its address is not a place of the internet"],
])("a SET does not go to %s: %s", async (url, why) => {
  const endpoint = { url, authorization: undefined, privateNetwork: false, mayBeThisMachine: false };
  expect(await postSet(endpoint, "a.b.c")).toEqual({ kind: "later", why });
});

test.each([
  ["invalid_key", "it answered 400 invalid_key"],
  ["Invalid key", "it answered 400"],
  ["invalid_key\nadmin signed in", "it answered 400"],
  ["x".repeat(41), "it answered 400"],
])("of what a receiver answers only its error code is repeated: %j", async (err, why) => {
  const receiver = await pushEndpoint();
  try {
    receiver.answer(answering(400, err));
    const endpoint = { authorization: undefined, privateNetwork: false, mayBeThisMachine: true };
    expect(await postSet({ ...endpoint, url: `${receiver.origin}/events` }, "a.b.c")).toEqual({
      kind: "later",
      why,
      isAnswer: true,
      isTried: true,
    });
  } finally {
    await receiver.close();
  }
});
