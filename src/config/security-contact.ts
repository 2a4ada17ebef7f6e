import { isAddress } from "./mail-settings.ts";

/** What `/.well-known/security.txt` says (RFC 9116). */
export interface SecurityContact {
  /** A URI to report a hole to (section 2.5.3); `null`: there is nobody, and no file. */
  readonly contact: string | null;
  /** Where it is said what may be tried, and what is promised (section 2.5.7). */
  readonly policy: string | null;
  /** Languages that reports are read in (section 2.5.8; RFC 5646). */
  readonly languages: readonly string[];
}

interface Reader {
  read(name: string): string | undefined;
  refuse(name: string, rule: string): void;
}

/** Reads who is told of holes: the contact of the service, unless there is one for this alone. */
export function readSecurityContact(settings: Reader, contactAddress: string | null): SecurityContact {
  const said = settings.read("SECURITY_CONTACT");
  if (said !== undefined && !isAddress(said) && !isSecureUrl(said)) {
    settings.refuse("SECURITY_CONTACT", "must be an address, or an https:// URL");
  }
  const policy = settings.read("SECURITY_POLICY") ?? null;
  if (policy !== null && !isSecureUrl(policy)) settings.refuse("SECURITY_POLICY", "must be an https:// URL");
  const languages = (settings.read("SECURITY_LANGUAGES") ?? "en").split(/\s*,\s*/);
  if (languages.length > 20 || !languages.every((one) => /^[a-z]{2,3}(-[a-z0-9]{2,8})*$/i.test(one))) {
    settings.refuse("SECURITY_LANGUAGES", "must be language tags with commas between them: en, de");
  }
  const contact = said ?? contactAddress;
  return {
    contact: contact === null ? null : isAddress(contact) ? `mailto:${uriOf(contact)}` : contact,
    policy,
    languages,
  };
}

/** RFC 9116 section 2.5.3: web addresses begin with https. */
const isSecureUrl = (text: string): boolean =>
  text.length <= 500 && /^[\x21-\x7e]+$/.test(text) && URL.parse(text)?.protocol === "https:";

/** RFC 6068 section 2: what has a meaning in a URI is percent-encoded. */
const uriOf = (text: string): string => encodeURIComponent(text).replace("%40", "@");
