/** The ways in which somebody can use an address. */
export type TryWay = "sign-in" | "sign-up" | "renewal" | "second address";

/**
 * Told of every use of an address, in its look-up form, before anything is known of it. It answers nothing and nobody
 * waits for it, so that neither an answer nor its time can depend on what it does.
 */
export type NoteTry = (way: TryWay, form: string) => void;

/** Told how each sign-in ended, once its answer is decided; like `NoteTry` it answers nothing. */
export type NoteSignIn = (end: {
  readonly failed: boolean;
  /** Whether the address has an account. */
  readonly isKnown: boolean;
  /** The peer's address. */
  readonly network: string;
}) => void;
