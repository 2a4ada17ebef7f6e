import { asCookie } from "../../cookies.ts";
import { authenticatorOf } from "../../totp-app.ts";
import type { Feature } from "./feature.ts";

/** Base32 (RFC 4648 section 6) of 20 bytes. */
function seedOf(key: string): Buffer {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = Array.from(key, (letter) => letters.indexOf(letter).toString(2).padStart(5, "0")).join("");
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

/** Some go on without, so that each way in can be shown to be open to them. */
export const hasSecondFactor = ({ number }: { readonly number: number }): boolean => number % 8 < 6;

export const secondFactorFeatures: readonly Feature[] = [
  {
    name: "an authenticator app, recovery codes, and signing in by one",
    phase: "last",
    fills: ["totp", "recovery_code", "sign_in_step"],
    each: async (world, person, spare) => {
      if (!hasSecondFactor(person)) return;
      const cookies = asCookie(person.cookie);
      const begun = await world.done("POST", "/api/account/totp", { body: {}, cookies });
      const key = world.went("a TOTP key", String(begun.body["key"]));
      world.sought.push({ what: "a TOTP seed", value: seedOf(key) });
      const app = authenticatorOf(world.service, key);
      const added = await world.done("POST", "/api/account/totp/confirm", { body: { code: app.code() }, cookies });
      const codes = added.body["recoveryCodes"] as string[];
      for (const code of codes) world.wentCode("a recovery code", code);
      if (person.number === 0) spare.recoveryCodes = codes.slice(1);
      const { address, password, network } = person;
      // One sign-in is left half way, and one is completed.
      for (const code of [undefined, codes[0]]) {
        const body = { address, password, token: true };
        const asked = await world.done("POST", "/api/sessions", { body, from: network });
        const step = world.wentSecret("a sign-in's step", String(asked.body["step"]));
        if (code === undefined) continue;
        const completed = await world.done("POST", "/api/sessions/second-factor", {
          body: { step, code },
          from: network,
        });
        world.wentSecret("a bearer token", String(completed.body["token"]));
      }
    },
  },
];
