import { createSecretKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { AccountId } from "../kernel/brand.ts";
import { Fault } from "../kernel/fault.ts";
import type { Random } from "../kernel/random.ts";
import { equalBytes } from "../kernel/secret.ts";
import { base64, limits } from "./arguments.ts";
import type { ArgumentReader } from "./arguments.ts";
import { isCount } from "./durable-file.ts";
import { derived, macOf } from "./keys.ts";
import { canonical, openBytes, sealBytes } from "./sealed.ts";
import { matchingStep, totpDigits } from "./totp.ts";

interface DataKey {
  readonly version: number;
  readonly key: KeyObject;
}

interface Needs {
  readonly random: Random;
  readonly unwrap: (wrapped: Uint8Array, accountId: AccountId) => DataKey | null;
  /** Told of each value that does not open. */
  readonly unreadable: () => void;
}

type Handler = (args: ArgumentReader) => string | object | null;

/** RFC 4226 section 4, R6: at least 128 bits, 160 recommended. */
const seedBytes = 20;
/** More than a set of recovery codes has. */
const maxRecoveryCodes = 32;
/** Far beyond any clock here, and exact as a number. */
const maxStep = 2 ** 40;

const parseStep = (value: unknown): number | undefined => (isCount(value) && value <= maxStep ? value : undefined);

/**
 * A key for the account's recovery codes, derived from its data key (RFC 5869). They live for years: so their MACs
 * follow the data key, which is re-wrapped when the wrapping key changes and goes when the account is deleted, and no
 * key of the service has to stay for their sake.
 */
const recoveryKey = ({ key }: DataKey): KeyObject => createSecretKey(derived(key, "houselights recovery codes 1"));

/**
 * The operations on second factors. Everything is bound to the account by its data key, and a seed is sealed for a
 * purpose of its own, so that `open` never gives one out.
 */
export function secondFactorHandlers({
  random,
  unwrap,
  unreadable,
}: Needs): Readonly<Record<"newTotpSeed" | "verifyTotp" | "recoveryMacs" | "findRecoveryCode", Handler>> {
  function ownKey(accountId: AccountId, wrapped: Uint8Array, operation: string): DataKey {
    const dataKey = unwrap(wrapped, accountId);
    if (dataKey === null)
      throw new Fault("SEALED_UNREADABLE", `${operation}: the data key does not open for this account`);
    return dataKey;
  }

  const macOfCode = (dataKey: DataKey, accountId: AccountId, code: Uint8Array): Buffer =>
    macOf(recoveryKey(dataKey), canonical(["houselights recovery code 1", accountId, code]));

  return {
    newTotpSeed: (args) => {
      const accountId = args.accountId();
      const wrapped = args.bytes("data key", ...limits.dataKey);
      args.end();
      const dataKey = ownKey(accountId, wrapped, "newTotpSeed");
      const seed = random.bytes(seedBytes);
      return { seed: base64(seed), sealed: base64(sealBytes({ random }, dataKey, "totp", [accountId], seed)) };
    },

    verifyTotp: (args) => {
      const accountId = args.accountId();
      const wrapped = args.bytes("data key", ...limits.dataKey);
      const sealed = args.bytes("sealed seed", ...limits.record);
      const code = args.bytes("code", totpDigits, totpDigits);
      const step = args.parsed("step", parseStep);
      args.end();
      const dataKey = unwrap(wrapped, accountId);
      const keyOf = (version: number): KeyObject | undefined =>
        dataKey?.version === version ? dataKey.key : undefined;
      const seed = openBytes(keyOf, "totp", [accountId], sealed);
      if (seed === null) {
        // The person sees a wrong code; the operator sees the counter.
        unreadable();
        return null;
      }
      const found = matchingStep(createSecretKey(seed), code, step);
      return found === null ? null : { step: found };
    },

    recoveryMacs: (args) => {
      const accountId = args.accountId();
      const wrapped = args.bytes("data key", ...limits.dataKey);
      const codes = args.list("codes", maxRecoveryCodes, (item) => item.bytes("code", ...limits.code));
      args.end();
      const dataKey = ownKey(accountId, wrapped, "recoveryMacs");
      return codes.map((code) => base64(macOfCode(dataKey, accountId, code)));
    },

    findRecoveryCode: (args) => {
      const accountId = args.accountId();
      const wrapped = args.bytes("data key", ...limits.dataKey);
      const code = args.bytes("code", ...limits.code);
      const macs = args.list("macs", maxRecoveryCodes, (item) => item.bytes("mac", ...limits.mac));
      args.end();
      const dataKey = unwrap(wrapped, accountId);
      if (dataKey === null) {
        unreadable();
        return null;
      }
      const mac = macOfCode(dataKey, accountId, code);
      const matches = macs.map((one) => equalBytes(one, mac));
      const place = matches.indexOf(true);
      return place === -1 ? null : { place };
    },
  };
}
