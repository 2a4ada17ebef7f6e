import { because, digest, keyed, random, sealed, shown, wrapped, type Declarations } from "./declare.ts";

const account = shown("which account it belongs to", because.id);
const id = shown("an id", because.id);
const made = shown("when it was made", because.time);
const expires = shown("when it expires", because.time);
const used = shown("whether and when it was used", because.time);
const epoch = shown("how many containments there had been", because.epoch);
const generation = shown("how often the account was signed out everywhere", because.epoch);
const tries = shown("how many wrong codes were tried", because.counts);
const parameters = shown("the cost of its hash", "a hash can be made again at its own cost only");

const addressIndex = keyed("the address, for finding its account", { group: "the index of an address" });
const askedIndex = keyed("the address that was asked for", {
  group: "the index of an address",
  repeats: "several requests for one address; the thief sees that they were for the same one, and not for which",
});
const browser = digest("the browser that may use the code");
const whileSigningUp = { group: "what a confirmed sign-up hands to its account" };
const sealedAddress = sealed("the address", { group: "an address, as it was sealed when it was asked for" });

const completed = { group: "what a completed second factor hands to its session and its event" };

/** Accounts and what proves them, sessions, links, and the way back. */
export const people: Declarations = {
  account: {
    holds: "a person's registration",
    columns: {
      id,
      role: shown("whether it may operate the service", "the check reads it with the session"),
      locale: shown("the language of its letters", "letters are planned by language"),
      generation,
      data_key: wrapped("the key that its sealed values are under", whileSigningUp),
      sealed_name: sealed("the name", whileSigningUp),
      created_at: made,
      delete_after: shown("when it is deleted, if its owner asked for that", because.time),
    },
  },
  account_address: {
    holds: "an address of an account",
    columns: {
      account_id: account,
      id,
      sealed: sealedAddress,
      blind_index: addressIndex,
      former_index: keyed("the same under the key before, while that is changed"),
      epoch,
      confirmed_at: shown("when it was proved", because.time),
      founding: shown("whether the account was made with it", because.state),
      used_first: shown("whether it is written to first", because.state),
      confirmed_epoch: shown("how many containments there had been when it was confirmed", because.epoch),
      doubted_at: shown("since when it does not count until it is confirmed", because.state),
    },
  },
  address: {
    holds: "the way from an address to its account",
    columns: { blind_index: addressIndex, account_id: account },
  },
  password: {
    holds: "an account's password",
    columns: {
      account_id: account,
      salt: random("the salt of its hash", whileSigningUp),
      parameters,
      record: sealed("the hash of the password", whileSigningUp),
      epoch,
      set_at: shown("when it was set", because.time),
    },
  },
  refused_password: {
    holds: "a password that was refused, until its case is closed",
    columns: {
      account_id: account,
      salt: random("the salt of its hash"),
      parameters,
      record: sealed("the hash of the password"),
      replaced_at: shown("when another took its place", because.time),
    },
  },
  sign_up: {
    holds: "a sign-up, until a day after its code expired",
    columns: {
      browser_digest: browser,
      account_id: shown("which account it would make", because.id),
      address_index: askedIndex,
      data_key: wrapped("the key that its sealed values are under", whileSigningUp),
      sealed_address: sealedAddress,
      sealed_name: sealed("the name", whileSigningUp),
      locale: shown("the language of its letter", "letters are planned by language"),
      salt: random("the salt of its hash", whileSigningUp),
      parameters,
      record: sealed("the hash of the password", whileSigningUp),
      code_mac: keyed("the mailed code"),
      epoch,
      tries,
      created_at: made,
      expires_at: expires,
      used_at: used,
    },
  },
  address_claim: {
    holds: "a further address that an account wants to prove",
    columns: {
      account_id: account,
      id,
      address_index: askedIndex,
      sealed: sealedAddress,
      code_mac: keyed("the mailed code"),
      epoch,
      tries,
      created_at: made,
      expires_at: expires,
      used_at: used,
    },
  },
  removed_address: {
    holds: "an address that was removed, for as long as that can be taken back",
    columns: {
      account_id: account,
      id,
      sealed: sealedAddress,
      epoch,
      confirmed_at: shown("when it was proved", because.time),
      founding: shown("whether the account was made with it", because.state),
      confirmed_epoch: shown("how many containments there had been when it was confirmed", because.epoch),
      doubted_at: shown("since when it did not count until it was confirmed", because.state),
      removed_at: shown("when it was removed", because.time),
    },
  },
  security_event: {
    holds: "something that happened to an account, for its owner",
    columns: {
      account_id: account,
      id,
      kind: shown("what happened", because.state),
      at: shown("when", because.time),
      sealed_detail: sealed("with which device, from which network, about which address", completed),
    },
  },
  totp: {
    holds: "an authenticator app",
    columns: {
      account_id: account,
      id,
      sealed_seed: sealed("the seed of its codes"),
      epoch,
      confirmed_epoch: shown("how many containments there had been when it was confirmed", because.epoch),
      doubted_at: shown("since when it does not count until it is confirmed", because.state),
      added_at: made,
      proved_at: shown("when its first code came", because.time),
      removed_at: shown("when it was removed", because.time),
      last_step: shown("the step of its last code", "a code is taken once, and the statement that takes it compares"),
      failures: tries,
      next_try_at: shown("when the next code may be tried", because.counts),
    },
  },
  recovery_code: {
    holds: "a recovery code",
    columns: {
      account_id: account,
      set_id: shown("which ten it belongs to", because.id),
      ordinal: shown("which of the ten", because.state),
      mac: keyed("the code"),
      epoch,
      confirmed_epoch: shown("how many containments there had been when it was confirmed", because.epoch),
      doubted_at: shown("since when it does not count until it is confirmed", because.state),
      added_at: made,
      used_at: used,
    },
  },
  sign_in_step: {
    holds: "a sign-in that waits for a second factor",
    columns: {
      account_id: account,
      id,
      digest: digest("the browser's half of it"),
      class: shown("whether it is a browser, an app or a tool", "each class has a floor of its own"),
      sealed_label: sealed("the device's name", completed),
      sealed_network: sealed("the network address it came from", completed),
      sealed_event: sealed("the same, for its owner's list of what happened", completed),
      epoch,
      generation,
      password_set_at: shown("when the password was set", because.time),
      tries,
      created_at: made,
      expires_at: expires,
      used_at: used,
    },
  },
  passkey: {
    holds: "a passkey",
    columns: {
      account_id: account,
      id,
      public_key: shown(
        "the public half of its key",
        "it checks signatures and makes none; the other half never leaves its device",
      ),
      counter: shown("how often it has signed, if it counts", because.state),
      handle_digest: digest("the handle that a device keeps with it"),
      sealed_descriptor: sealed("its id and how a browser reaches it"),
      sealed_name: sealed("the name that its owner gave it"),
      epoch,
      confirmed_epoch: shown("how many containments there had been when it was confirmed", because.epoch),
      doubted_at: shown("since when it does not count until it is confirmed", because.state),
      counter_back_at: shown("when its count last went back", because.state),
      added_at: made,
      last_used_at: shown("when it was last used", because.time),
      removed_at: shown("when it was removed", because.time),
    },
  },
  passkey_way: {
    holds: "the way from a passkey to its account",
    columns: {
      credential_digest: digest("the passkey's id"),
      account_id: account,
      passkey_id: shown("which passkey", because.id),
    },
  },
  passkey_challenge: {
    holds: "a challenge for a passkey, until it expired",
    columns: {
      challenge_digest: digest("the challenge"),
      browser_digest: digest("the browser that may answer it", {
        repeats: "one browser is given several challenges; the thief sees that, and not which browser",
      }),
      purpose: shown("what it is for", because.state),
      account_id: account,
      sealed_handle: sealed("the handle for a new passkey"),
      epoch,
      created_at: made,
      expires_at: expires,
      used_at: used,
    },
  },
  canary: {
    holds: "a canary: an address that nobody uses",
    columns: {
      mark: keyed("its address, for knowing it when it is used"),
      place: shown("for which place it was planted", "the operator chose the word"),
      kind: shown("of what kind", "no column leads from it to an account"),
      seal_id: shown("an id of its own", because.id),
      data_key: wrapped("the key that its sealed value is under"),
      sealed_address: sealed("its address"),
      planted_on: shown("on which day", "a day is too coarse to find an account by"),
      retired_on: shown("until which day", "a day is too coarse to find an account by"),
      recorded: shown("whether the record says that it was planted", because.state),
    },
  },
  account_change: {
    holds: "a change of an address or of what proves an account",
    columns: {
      account_id: account,
      id,
      kind: shown("what was changed", because.state),
      subject: shown("which address or credential, by its id", because.id),
      undo_digest: digest('the secret of "it was not me" in the letter about it'),
      other_digests: digest("such secrets in the letters to the account's other addresses"),
      other_addresses: shown("to which of its addresses those went, by their ids", because.id),
      epoch,
      made_at: made,
      undo_until: expires,
      undone_at: shown("whether and when it was taken back", because.time),
    },
  },
  session: {
    holds: "one sign-in of one device",
    columns: {
      account_id: account,
      id,
      digest: digest("the secret in its token"),
      class: shown("whether it is a browser, a television, an app or a tool", "each class has a floor of its own"),
      epoch,
      generation,
      sealed_label: sealed("the device's name", completed),
      sealed_network: sealed("the network address it came from", completed),
      created_at: made,
      proved_at: shown("when its person last proved who they are", because.time),
      last_seen_at: shown("when it was last used, to five minutes", because.time),
      expires_at: expires,
      ended_at: shown("when it was signed out", because.time),
      proof: shown("by what its person proved who they are", because.state),
      strongly_proved_at: shown("when that was last a second factor or passkey", because.time),
    },
  },
  link: {
    holds: "a television or app that asks to be linked",
    columns: {
      device_digest: digest("the device's code"),
      user_code_index: keyed("the short code on its screen"),
      class: shown("whether it is a television or an app", "each class has a floor of its own"),
      data_key: wrapped("the key that its sealed values are under"),
      label_account_id: shown("an id of the link's own", because.id),
      sealed_label: sealed("the device's name"),
      sealed_network: sealed("the network address it came from"),
      state: shown("whether it waits, was approved or denied", because.state),
      epoch,
      account_id: shown("which account approved it", because.id),
      generation,
      interval_seconds: shown("how often it may ask", because.counts),
      last_polled_at: shown("when it last asked", because.time),
      created_at: made,
      expires_at: expires,
      claimed_at: used,
    },
  },
  operator_link: {
    holds: "a sign-in link that the host printed",
    columns: {
      digest: digest("the secret in the link"),
      account_id: account,
      epoch,
      created_at: made,
      expires_at: expires,
      used_at: used,
    },
  },
  ticket: {
    holds: "a request to renew a password",
    columns: {
      browser_digest: browser,
      account_id: shown("which account it is for, if the address has one", because.id),
      address_index: askedIndex,
      code_mac: keyed("the mailed code"),
      recovery_id: shown("which recovery it is for, if it is for one", because.id),
      address_id: shown("by which of the account's addresses it was asked for", because.id),
      epoch,
      tries,
      created_at: made,
      expires_at: expires,
      proved_at: shown("when its code was right before a wait in line", because.state),
      used_at: used,
    },
  },
  recovery: {
    holds: "a recovery that an operator started, until it is used or stopped",
    columns: {
      account_id: account,
      id,
      address_index: keyed("the new address, for finding whether it is an account's"),
      sealed: sealed("the new address"),
      without_second_factor: shown("whether it goes without a second factor", because.state),
      epoch,
      started_at: made,
      ready_at: shown("from when on it can be used", because.time),
      expires_at: expires,
    },
  },
  lobby: {
    holds: "the line of a case, in which people wait when many come back at once",
    columns: {
      case_id: shown("which case, if it is of one", because.id),
      data_key: wrapped("the key that the line's own is under"),
      sealed_key: sealed("what places in it are signed with"),
      given: shown("how many places were given", because.counts),
      called: shown("how many were called", because.counts),
      opened_at: shown("when it began", because.time),
    },
  },
  lobby_entry: {
    holds: "a number in line whose turn came",
    columns: {
      case_id: shown("in which line", because.id),
      number: shown("the number", because.counts),
      browser_digest: digest("the browser that has it"),
      entered_at: shown("when it came in", because.time),
    },
  },
  lobby_network: {
    holds: "how many places a network took in ten minutes",
    columns: {
      case_id: shown("in which line", because.id),
      window_start: shown("in which ten minutes", because.counts),
      network: keyed("the network and the ten minutes together"),
      taken: shown("how many", because.counts),
    },
  },
  lobby_minute: {
    holds: "what happened in a line in a minute",
    columns: {
      case_id: shown("in which line", because.id),
      minute: shown("in which minute", because.time),
      given: shown("how many places were given", because.counts),
      called: shown("how many were called", because.counts),
      entered: shown("how many came in", because.counts),
      walked_in: shown("how many found no line", because.counts),
    },
  },
  throttle: {
    holds: "how often something was tried in a stretch of time",
    columns: {
      subject: keyed("the network, address or account that tried", {
        group: "an address and a network together",
        repeats: "several purposes and windows of one subject; the thief sees how often one was at it, and not which",
      }),
      purpose: shown("what was tried", because.counts),
      window_start: shown("in which ten minutes or hour", because.counts),
      used: shown("how often", because.counts),
    },
  },
  known_network: {
    holds: "a network from which somebody signed in to an address lately",
    columns: {
      subject: keyed("the address and the network together", { group: "an address and a network together" }),
      seen_at: shown("when that was", because.time),
    },
  },
  progress: {
    holds: "how far an account has watched a title",
    columns: {
      account_id: account,
      title_id: shown(
        "which title it watched",
        "continue watching is read on every visit; who watched is an account id, and SECURITY.md says what that gives away",
      ),
      position_seconds: shown("how far", "see title_id"),
      duration_seconds: shown("how long the title is", because.library),
      watched: shown("whether to the end", "see title_id"),
      updated_at: shown("when", "see title_id"),
    },
  },
  mailbox_letter: {
    holds: "a letter that the built-in mailbox keeps in place of a relay",
    columns: {
      id,
      at: shown("when it was sent", because.time),
      message_id: shown("the letter's own id", because.id),
      sealed: sealed("to whom it went, and its text"),
    },
  },
};
