import { hash, timingSafeEqual } from "node:crypto";
import { inspect } from "node:util";

/** Bytes that grant access. Printing, JSON-encoding or inspecting one yields `[secret]`. */
export class Secret {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Takes text (a typed password or code) as UTF-8. */
  static fromText(text: string): Secret {
    return new Secret(Buffer.from(text, "utf8"));
  }

  /** The one way out. Grep for `.reveal(` to audit every use. */
  reveal(): Uint8Array {
    return this.#bytes;
  }

  /** The same way out, for secrets that are text. */
  revealText(): string {
    const { buffer, byteOffset, byteLength } = this.#bytes;
    return Buffer.from(buffer, byteOffset, byteLength).toString("utf8");
  }

  /** SHA-256. Only for secrets drawn from at least 128 random bits; passwords go through `credentials/`. */
  digest(): Buffer {
    // By way of text: a Buffer made by the hash itself costs three times as much, a thirtieth of a session check.
    return Buffer.from(hash("sha256", this.#bytes, "latin1"), "latin1");
  }

  /** Compares in constant time with a stored digest. */
  matches(storedDigest: Uint8Array): boolean {
    return equalBytes(this.digest(), storedDigest);
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [inspect.custom](): string {
    return "[secret]";
  }
}

/** Compares in a time that depends on the lengths only. */
export function equalBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
