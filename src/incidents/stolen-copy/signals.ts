import { because, digest, sealed, shown, wrapped, type Declarations } from "./declare.ts";

const id = shown("an id", because.id);
const stream = shown("which stream", because.id);
const account = shown("which account it tells of", because.id);
const when = (what: string) => shown(what, because.time);
const state = (what: string) => shown(what, because.state);
const count = (what: string) => shown(what, because.counts);
const agreed = (what: string) => shown(what, "the operator wrote it, and it names a service and no person");
const asked = (what: string) => shown(what, "a relying service wrote it about itself, and it is told back to it");
const event = (what: string) => shown(what, "it is one of a few words of our own, and says no more than the timeline");

/** What other services are told, and what waits to be told to them. */
export const signals: Declarations = {
  signal_receiver: {
    holds: "a relying service that is told of security events",
    columns: {
      id,
      name: agreed("what operators call it"),
      audience: agreed("what its tokens are addressed to"),
      token_digest: digest("its token"),
      token_expires_at: when("when its token runs out"),
      data_key: wrapped("the key that its sealed values are under"),
      addresses_because: agreed("why it may be told addresses, if it may"),
      push_origin: agreed("where its signals may be pushed to"),
      private_network: agreed("whether that may be in a private network"),
      made_at: when("when it was let in"),
    },
  },
  signal_stream: {
    holds: "a stream of signals to a relying service",
    columns: {
      id,
      receiver_id: shown("whose it is", because.id),
      method: state("pushed or polled"),
      subject_format: state("how it names accounts"),
      events_requested: asked("which events it asked for"),
      kinds: state("which it is sent"),
      description: asked("what it calls the stream"),
      sealed_endpoint: sealed("where it is pushed to"),
      sealed_authorization: sealed("what is sent along to be let in there"),
      status: state("whether it is on"),
      status_reason: asked("why it was turned off"),
      made_at: when("when it was made"),
      verify_from: when("when it may next be tried"),
      taken_at: when("when something was last taken"),
      failures: count("how many pushes in a row failed"),
      due_at: when("when the next push is due"),
      lease_until: when("until when a worker has it"),
      taken: count("how many signals were taken"),
      refused: count("how many were refused"),
      dropped: count("how many were dropped"),
    },
  },
  signal: {
    holds: "an event that has still to be given to the streams",
    columns: { account_id: account, id, kind: event("what happened"), cause: event("why"), at: when("when") },
  },
  signal_fan_out: {
    holds: "a containment that is told of account by account",
    columns: {
      id,
      incident_id: shown("its case, if it has one", because.id),
      kinds: event("what happened to everybody"),
      cause: event("why"),
      at: when("when"),
      begun_at: when("when it was given to the streams"),
    },
  },
  signal_fan_out_stream: {
    holds: "how far that has come for one stream",
    columns: {
      fan_out_id: shown("which containment", because.id),
      stream_id: stream,
      after_account: shown("the last account that has its signals", because.id),
      accounts: count("how many accounts"),
      made: count("how many signals were made"),
      refused: count("how many were refused"),
      dropped: count("how many were dropped"),
      finished_at: when("when the last was made"),
    },
  },
  signal_delivery: {
    holds: "a signal that waits for one stream",
    columns: {
      stream_id: stream,
      id,
      account_id: account,
      kind: event("what happened"),
      cause: event("why"),
      at: when("when"),
      txn: shown("what belongs together", because.id),
      fan_out_id: shown("the containment it belongs to", because.id),
      sealed: sealed("the address the stream knows the account by, or what a receiver wants echoed", {
        group: "an address, as a relying service gave it",
        repeats: "several signals about one account to one stream carry the same sealed bytes",
      }),
      made_at: when("when it was made"),
      attempts: count("how often it was tried"),
      due_at: when("when it is due"),
    },
  },
  signal_subject: {
    holds: "an account that a relying service added to a stream, or removed",
    columns: {
      account_id: account,
      stream_id: stream,
      state: state("added or removed"),
      sealed_address: sealed("the address the relying service gave", {
        group: "an address, as a relying service gave it",
      }),
    },
  },
};
