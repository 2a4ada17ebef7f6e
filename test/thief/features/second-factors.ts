import { asCookie } from "../../cookies.ts";
import { authenticatorOf } from "../../totp-app.ts";
import { seedOf, type Feature } from "./feature.ts";

export const secondFactorFeatures: readonly Feature[] = [
  {
    name: "an authenticator app, recovery codes, and signing in by one",
    phase: "last",
    fills: ["totp", "recovery_code", "sign_in_step"],
    each: async (world, person, spare) => {
      if (!person.wantsSecondFactor) return;
      const cookies = asCookie(person.cookie);
      const begun = await world.done("POST", "/api/account/totp", { body: {}, cookies });
      const key = world.went("a TOTP key", String(begun.body["key"]));
      world.sought.push({ what: "a TOTP seed", value: seedOf(key) });
      const code = authenticatorOf(world.service, key).code();
      const added = await world.done("POST", "/api/account/totp/confirm", { body: { code }, cookies });
      person.totpKey = key;
      person.totpCodes.push(code);
      const codes = added.body["recoveryCodes"] as string[];
      for (const shown of codes) world.wentCode("a recovery code", shown);
      if (person.number === 0) spare.recoveryCodes = codes.slice(1);
      const { address, password, network } = person;
      // One sign-in is left half way, and one is completed.
      for (const recoveryCode of [undefined, codes[0]]) {
        const body = { address, password, token: true };
        const asked = await world.done("POST", "/api/sessions", { body, from: network });
        const step = world.wentSecret("a sign-in's step", String(asked.body["step"]));
        if (recoveryCode === undefined) continue;
        const completed = await world.done("POST", "/api/sessions/second-factor", {
          body: { step, code: recoveryCode },
          from: network,
        });
        world.wentSecret("a bearer token", String(completed.body["token"]));
      }
    },
  },
];
