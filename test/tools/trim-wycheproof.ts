import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * `node test/tools/trim-wycheproof.ts FOLDER`: writes test/vectors/wycheproof.json from a folder of Wycheproof's JSON
 * files: of the sets for what is used here the groups with our parameters, and of those the fields that a test reads.
 * What is kept is kept as it was published; the same folder gives the same file.
 */
interface Test {
  readonly tcId: number;
  readonly [field: string]: unknown;
}
type Group = Readonly<Record<string, unknown>> & { readonly tests: readonly Test[] };

const kept: readonly {
  readonly file: string;
  readonly group: readonly string[];
  readonly test: readonly string[];
  readonly isOurs: (group: Group, test: Test) => boolean;
}[] = [
  {
    file: "aes_gcm_test.json",
    group: ["ivSize", "keySize", "tagSize"],
    test: ["key", "iv", "aad", "msg", "ct", "tag"],
    isOurs: ({ keySize }) => keySize === 256,
  },
  {
    file: "hmac_sha256_test.json",
    group: ["keySize", "tagSize"],
    test: ["key", "msg", "tag"],
    isOurs: ({ tagSize }) => tagSize === 256,
  },
  {
    file: "hmac_sha1_test.json",
    group: ["keySize", "tagSize"],
    test: ["key", "msg", "tag"],
    isOurs: ({ tagSize }) => tagSize === 160,
  },
  {
    file: "hkdf_sha256_test.json",
    group: ["keySize"],
    test: ["ikm", "salt", "info", "size", "okm"],
    isOurs: (_group, { salt }) => salt === "",
  },
  { file: "eddsa_test.json", group: ["key.pk"], test: ["msg", "sig"], isOurs: () => true },
  {
    file: "ecdsa_secp256r1_sha256_test.json",
    group: ["key.uncompressed"],
    test: ["msg", "sig"],
    isOurs: () => true,
  },
  { file: "rsa_signature_2048_sha256_test.json", group: ["n", "e"], test: ["msg", "sig"], isOurs: () => true },
  {
    file: "rsa_sig_gen_misc_test.json",
    group: ["keysize", "privateKeyPkcs8"],
    test: ["msg", "sig"],
    isOurs: ({ keysize, sha, e }) => (keysize === 2048 || keysize === 3072) && sha === "SHA-256" && e === "010001",
  },
];

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

/** The named fields, `key.pk` being a field of a field. */
const only = (from: Readonly<Record<string, unknown>>, fields: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(
    fields.map((field) => {
      const [outer = "", inner] = field.split(".");
      const value = from[outer];
      return [inner ?? outer, inner !== undefined && isRecord(value) ? value[inner] : value];
    }),
  );

const folder = process.argv[2];
if (folder === undefined) throw new Error("node test/tools/trim-wycheproof.ts FOLDER");

const sets = kept.map(({ file, group: groupFields, test: testFields, isOurs }) => {
  const whole = JSON.parse(readFileSync(join(folder, file), "utf8")) as {
    readonly generatorVersion: string;
    readonly testGroups: readonly Group[];
  };
  const groups = whole.testGroups.flatMap((group) => {
    const tests = group.tests
      .filter((test) => isOurs(group, test))
      .map((test) => JSON.stringify(only(test, ["tcId", "comment", ...testFields, "result", "flags"])));
    if (tests.length === 0) return [];
    const head = JSON.stringify(only(group, groupFields)).slice(0, -1);
    return [`${head},"tests":[\n${tests.join(",\n")}]}`];
  });
  const generator = JSON.stringify(whole.generatorVersion);
  return `${JSON.stringify(file)}: {"generatorVersion":${generator},"testGroups":[\n${groups.join(",\n")}]}`;
});
writeFileSync(join(import.meta.dirname, "../vectors/wycheproof.json"), `{\n${sets.join(",\n")}\n}\n`);
