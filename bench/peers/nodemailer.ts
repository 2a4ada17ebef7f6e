/**
 * nodemailer's pool with DKIM: hands so many letters of the same words to a relay, from the first call to the last answer, and says
 * how many that were a second.
 */
import { generateKeyPairSync } from "node:crypto";
import { createTransport } from "nodemailer";

interface Order {
  readonly port: number;
  readonly count: number;
  /** Receiving domains, in turn. */
  readonly domains: number;
  readonly letter: { readonly subject: string; readonly text: string; readonly html: string };
}

const connections = 10;
/** So many calls at once, so that no connection waits for the next letter. */
const underWay = 5 * connections;

process.once("message", async ({ port, count, domains, letter: { subject, text, html } }: Order) => {
  const { privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const pool = createTransport({
    pool: true,
    host: "127.0.0.1",
    port,
    ignoreTLS: true,
    maxConnections: connections,
    maxMessages: Infinity,
    dkim: { domainName: "films.example", keySelector: "bench", privateKey },
  });
  const started = performance.now();
  let next = 0;
  await Promise.all(
    Array.from({ length: underWay }, async () => {
      for (let number = next++; number < count; number = next++) {
        await pool.sendMail({
          from: "no-reply@films.example",
          to: `viewer-${number}@mail-${number % domains}.example`,
          subject,
          text,
          html,
          textEncoding: "quoted-printable",
        });
      }
    }),
  );
  const seconds = (performance.now() - started) / 1_000;
  pool.close();
  process.send?.(count / seconds, () => process.exit(0));
});
process.once("disconnect", () => process.exit(0));
