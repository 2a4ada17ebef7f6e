import { createCipheriv, createDecipheriv } from "node:crypto";
import { idBytes, idOfBytes, type AccountId } from "../kernel/brand.ts";

const macBytes = 12;
const tokenPattern = /^[a-z2-7]{45}$/;
const alphabet = "abcdefghijklmnopqrstuvwxyz234567";

/**
 * The part of a Return-Path that is a letter's own (VERP): the first 96 bits of the keyholder's MAC, and the account's id
 * encrypted with that MAC as the counter (AES-256-CTR, in the manner of SIV, RFC 5297), so that neither relay nor
 * receiver can tell which account an address belongs to, nor make another's. Base32 in lower case (RFC 4648 section 6):
 * a local part may arrive in any case.
 */
export function writeReturnToken(key: Uint8Array, mac: Uint8Array, accountId: AccountId): string {
  const short = Buffer.from(mac.subarray(0, macBytes));
  const cipher = createCipheriv("aes-256-ctr", key, counterOf(short));
  return base32(Buffer.concat([short, cipher.update(idBytes(accountId))]));
}

/** The MAC and what is encrypted with it; `undefined` for a text that is no token. */
export function readReturnToken(text: string): { readonly mac: Buffer; readonly sealed: Buffer } | undefined {
  const lower = text.toLowerCase();
  if (!tokenPattern.test(lower)) return undefined;
  const bytes = fromBase32(lower);
  return { mac: bytes.subarray(0, macBytes), sealed: bytes.subarray(macBytes, macBytes + 16) };
}

/** The account that a token names under this key; nothing about it is proved yet. */
export function accountIn(
  { mac, sealed }: { readonly mac: Buffer; readonly sealed: Buffer },
  key: Uint8Array,
): AccountId {
  return idOfBytes<AccountId>(createDecipheriv("aes-256-ctr", key, counterOf(mac)).update(sealed));
}

/** As much of a keyholder's MAC as a token carries. */
export const shortMac = (mac: Uint8Array): Uint8Array => mac.subarray(0, macBytes);

/** `bounces@films.example` with a token: `bounces+TOKEN@films.example`. */
export const withToken = (address: string, token: string): string => address.replace("@", `+${token}@`);

/** The token in an address that mail was handed over for; `undefined` if it is not under `address`. */
export function tokenIn(recipient: string, address: string): string | undefined {
  const given = /^([^+@]+)\+([^+@]+)@([^@]+)$/.exec(recipient.toLowerCase());
  return given !== null && `${given[1]}@${given[3]}` === address ? given[2] : undefined;
}

const counterOf = (short: Buffer): Buffer => Buffer.concat([short, Buffer.alloc(4)]);

function base32(bytes: Buffer): string {
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xffff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(value >> bits) & 31];
    }
  }
  return bits === 0 ? text : text + alphabet[(value << (5 - bits)) & 31];
}

function fromBase32(text: string): Buffer {
  const bytes: number[] = [];
  let bits = 0;
  let value = 0;
  for (const letter of text) {
    value = ((value << 5) | alphabet.indexOf(letter)) & 0xffff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >> bits) & 0xff);
    }
  }
  return Buffer.from(bytes);
}
