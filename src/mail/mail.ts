import type { WrittenLetter } from "./templates.ts";

/** A letter ready to leave; `to` has passed `parseAddress`. */
export interface Letter {
  readonly to: string;
  /** Subject and bodies. Letters that say the same share one object, which is encoded once for all of them. */
  readonly written: WrittenLetter;
  /**
   * The part of the Message-ID before the `@`, chosen by the caller so that a letter sent again after a crash carries
   * the same one: letters, digits, `.`, `_` and `-`, at most 200 of them.
   */
  readonly messageId: string;
  /** Further headers by name, in ASCII; names and values are checked, so that nothing can be injected. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The envelope's sender (VERP), when bounces are to come back to an address of its own. */
  readonly returnPath?: string;
  /**
   * Asked once the letter is made and signed and goes to a connection next. When it answers false the letter stays here,
   * and is `deferred` by the relay's cause.
   */
  readonly whenReady?: () => Promise<boolean>;
}

/** The outcome of a letter that `whenReady` did not let go. */
export const heldBack: SendOutcome = {
  kind: "deferred",
  reply: "not sent: held back",
  mayHaveArrived: false,
  cause: "relay",
};

/**
 * What became of a letter. `reply` is what the relay said, without addresses and at most 200 characters; it may be
 * stored and shown. `deferred` may be tried again with the same Message-ID; `refused` may not.
 */
export type SendOutcome =
  | { readonly kind: "handed over"; readonly reply: string; readonly queueId?: string }
  | {
      readonly kind: "deferred";
      readonly reply: string;
      /** The whole letter was on its way and its answer is lost: the relay may have it, and another try makes it two. */
      readonly mayHaveArrived: boolean;
      /** `relay`: nothing can be handed over at all (not reached, no TLS, no sign-in), and the letter has no part in it. */
      readonly cause: "letter" | "relay";
    }
  | { readonly kind: "refused"; readonly reply: string };

/** A way out for letters. Never throws for what a relay or a network does: that is an outcome. */
export interface MailTransport {
  send(letter: Letter): Promise<SendOutcome>;
  /** Waits a while for what is under way and gives back the connections. */
  close(): Promise<void>;
}
