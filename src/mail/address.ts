import { domainToASCII, domainToUnicode } from "node:url";
import { inOneLine } from "../kernel/shown-text.ts";

/** Why a text is no address; a sentence for the person who typed it. */
export type AddressRefusal =
  | "An address is needed."
  | "An address has at most 254 characters."
  | "An address looks like name@example.org."
  | "The part after the @ is no domain of the internet.";

export type ParsedAddress =
  | {
      readonly kind: "address";
      /** As typed, composed (NFC), without white space around it, its domain as it is registered: what letters are sent to. */
      readonly address: string;
      /** Lower case, with the domain in ASCII: what the blind index is made of, so that one mailbox has one account. */
      readonly normalised: string;
    }
  | { readonly kind: "refused"; readonly reason: AddressRefusal };

const maxLength = 254;

// RFC 5321's dot-string, with the letters of RFC 6531. Quoted local parts exist on paper only, and would let a comma or a
// line end travel towards a header.
const atom = "[\\p{L}\\p{M}\\p{N}!#$%&'*+/=?^_`{|}~-]+";
const localPattern = new RegExp(`^${atom}(?:\\.${atom})*$`, "u");
const labelPattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
// A domain is read as a URL's host, which ends at a slash, a question mark or a number sign, has its percent signs decoded and
// its line ends left out. Of ASCII a name has letters, digits, hyphens and dots alone.
const notInNames = /[^\P{ASCII}A-Za-z0-9.-]/u;

/**
 * Reads a mail address. The local part is compared without regard to case, against the letter of RFC 5321 section 2.4 and
 * as every large provider does: two accounts that differ in case only would be one mailbox.
 */
export function parseAddress(text: string): ParsedAddress {
  const address = text
    .slice(0, maxLength * 2)
    .trim()
    .normalize("NFC");
  const refuse = (reason: AddressRefusal): ParsedAddress => ({ kind: "refused", reason });
  if (address === "") return refuse("An address is needed.");
  if (address.length > maxLength || text.length > maxLength * 2)
    return refuse("An address has at most 254 characters.");
  const [local = "", domain = "", ...more] = address.split("@");
  // RFC 5321 section 4.5.3.1.1: 64 octets.
  if (more.length > 0 || !localPattern.test(local) || Buffer.byteLength(local) > 64) {
    return refuse("An address looks like name@example.org.");
  }
  // Control characters and the like never reach here: UTS 46 refuses them, and an empty answer means refused.
  const ascii = notInNames.test(domain) ? "" : domainToASCII(domain).toLowerCase();
  const labels = ascii.split(".");
  const isDomain =
    ascii.length <= 253 &&
    labels.every((label) => labelPattern.test(label)) &&
    (labels.length > 1 || ascii === "localhost") &&
    // A number at the end is an IPv4 address, which is written in brackets and not taken.
    !/^[0-9]+$/.test(labels.at(-1) ?? "") &&
    !/\s/.test(domain);
  if (!isDomain) return refuse("The part after the @ is no domain of the internet.");
  const normalised = `${local.toLowerCase().normalize("NFC")}@${ascii}`;
  if (normalised.length > maxLength) return refuse("An address has at most 254 characters.");
  // Letters beyond ASCII have forms that mean the same, full-width or invisible: the one that is registered is kept.
  const kept = domain.toLowerCase() === ascii ? domain : domainToUnicode(ascii);
  return { kind: "address", address: `${local}@${kept}`, normalised };
}

/**
 * What to look an account up by, for any text at all: a text that is no address gets a form that no address has, so that
 * asking with it costs the same and finds nothing.
 */
export function lookUpForm(text: string): string {
  const parsed = parseAddress(text);
  return parsed.kind === "address" ? parsed.normalised : ` ${text.slice(0, maxLength).toWellFormed()}`;
}

/** The domain of an address that has passed `parseAddress`, in ASCII: what pacing and DKIM go by. */
export function domainOf(normalised: string): string {
  return domainToASCII(normalised.slice(normalised.lastIndexOf("@") + 1)).toLowerCase();
}

const addressLike = /[^\s<>()[\],;:"']*@[^\s<>()[\],;:"']*/g;

/**
 * A reply or an error without the addresses in it, in one line of at most 200 characters: fit to be stored, logged and shown.
 * A relay may repeat what the receiver's server says, which is anybody's.
 */
export const withoutAddresses = (text: string): string =>
  inOneLine(text.slice(0, 2_000).replace(addressLike, "(address)")).slice(0, 200).toWellFormed();
