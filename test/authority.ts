import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TlsFiles } from "../src/config/keyholder-place.ts";

/** What a certificate is to be; by default good for both ends of a connection on this machine, for two days. */
export interface Wanted {
  readonly names?: string;
  readonly days?: number;
  readonly usage?: "serverAuth" | "clientAuth" | "serverAuth,clientAuth";
  /** Organisational units, which name roles. */
  readonly units?: readonly string[];
}

/** A certificate authority made by openssl in a folder; it gives out certificates as files. */
export function newAuthority(folder: string, name: string) {
  const openssl = (...words: readonly string[]): unknown => execFileSync("openssl", words, { stdio: "ignore" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const [ca, caKey] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  openssl("req", "-x509", ...newKey, "-subj", `/CN=${name}`, "-keyout", caKey, "-out", ca, "-days", "2");
  return {
    ca,
    issue(of: string, { names = "IP:127.0.0.1", days = 2, usage = "serverAuth,clientAuth", units = [] }: Wanted = {}) {
      const path = (end: string): string => join(folder, `${name}-${of}.${end}`);
      const subject = `/CN=${of}${units.map((unit) => `/OU=${unit}`).join("")}`;
      writeFileSync(
        path("ext"),
        `basicConstraints=critical,CA:FALSE\nextendedKeyUsage=${usage}\nsubjectAltName=${names}\n`,
      );
      openssl("req", "-new", ...newKey, "-subj", subject, "-keyout", path("key"), "-out", path("csr"));
      const signing = ["-CA", ca, "-CAkey", caKey, "-CAcreateserial", "-extfile", path("ext"), "-days", String(days)];
      openssl("x509", "-req", "-in", path("csr"), ...signing, "-out", path("pem"));
      return { ca, cert: path("pem"), key: path("key") } satisfies TlsFiles;
    },
  };
}
