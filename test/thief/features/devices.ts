import { asCookie } from "../../cookies.ts";
import type { World } from "../world.ts";
import type { Feature } from "./feature.ts";

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code";

/** A television asks to be linked. @returns the code it shows, and its own. */
export async function askLink(world: World, network: string, named: string) {
  const { body } = await world.done("POST", "/oauth/device_authorization", {
    body: { client_id: "houselights-tv", device_name: world.went("a device name", named) },
    from: network,
  });
  return {
    userCode: world.wentCode("a user code", String(body["user_code"])),
    deviceCode: world.wentSecret("a device code", String(body["device_code"])),
  };
}

export const decideLink = (world: World, userCode: string, cookie: string, decision: "approve" | "deny") =>
  world.done("POST", "/api/links/decide", { body: { userCode, decision }, cookies: asCookie(cookie) });

export const deviceFeatures: readonly Feature[] = [
  {
    name: "linking a television",
    phase: "before",
    fills: ["link"],
    each: async (world, { name, network, cookie }) => {
      const tv = await askLink(world, network, `Television of ${name}`);
      await decideLink(world, tv.userCode, cookie, "approve");
      const body = { grant_type: deviceGrant, device_code: tv.deviceCode, client_id: "houselights-tv" };
      const claimed = await world.done("POST", "/oauth/token", { body, from: network });
      world.wentSecret("a television's token", String(claimed.body["access_token"]));
    },
  },
  {
    name: "looking at one's devices, and signing one out",
    phase: "before",
    fills: [],
    each: async (world, { cookie, number }) => {
      const cookies = asCookie(cookie);
      const { body } = await world.done("GET", "/api/sessions", { cookies });
      const devices = body["devices"] as { id: string; current: boolean }[];
      const other = devices.find(({ current }) => !current);
      if (number % 4 === 0 && other !== undefined) await world.done("DELETE", `/api/sessions/${other.id}`, { cookies });
    },
  },
  {
    name: "proving oneself again",
    phase: "before",
    fills: [],
    each: async (world, { cookie, password }) => {
      await world.done("POST", "/api/session/proof", { body: { password }, cookies: asCookie(cookie) });
    },
  },
  {
    name: "watching",
    phase: "before",
    fills: ["progress"],
    each: async (world, { cookie }, { titleId }) => {
      const cookies = asCookie(cookie);
      const granted = await world.done("POST", `/api/titles/${titleId}/grants`, { cookies });
      const grant = world.went("a grant", String(granted.body["playlist"]).split("/")[2] ?? "");
      world.sought.push({ what: "a grant's signature", value: Buffer.from(grant, "base64url").subarray(-64) });
      const body = { positionSeconds: 1, durationSeconds: 2 };
      await world.done("PUT", `/api/titles/${titleId}/progress`, { body, cookies });
    },
  },
  {
    name: "links in each state when the copy is made",
    phase: "after",
    fills: ["link"],
    each: async (world, { name, network, cookie, number }) => {
      const tv = await askLink(world, network, `Projector of ${name}`);
      if (number % 3 === 0) await decideLink(world, tv.userCode, cookie, "approve");
      if (number % 3 === 1) await decideLink(world, tv.userCode, cookie, "deny");
    },
  },
];
