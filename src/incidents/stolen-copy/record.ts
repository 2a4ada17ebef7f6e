import { because, digest, keyed, sealed, shown, wrapped, type Declarations } from "./declare.ts";

const incident = shown("which case", because.id);
const typed = (what: string) => shown(what, because.caseFile);
const step = (what: string) => shown(what, because.state);
const alarm = (what: string) => shown(what, "an alarm is sent to others, in counts, ids and words of our own");
const record = (what: string) => shown(what, because.record);
const hash = shown("a hash of what the record says", because.record);

/** Cases, their letters, the timeline and the floors. */
export const cases: Declarations = {
  incident: {
    holds: "the case file of one theft",
    columns: {
      id: incident,
      reference: typed("the reference that letters quote"),
      state: step("how far the case is"),
      reason: typed("why it was opened"),
      opened_at: typed("when it was opened"),
      opened_by: typed("the account id of who opened it"),
      found_at: typed("when the theft was found"),
      found_by: typed("who found it, as the operator put it"),
      found_how: typed("how it was found"),
      copied_at: typed("when the copy was made"),
      copied_after: typed("before when it was not made"),
      data_classes: typed("what was taken"),
      keys_reachable: typed("whether keys were in reach"),
      scope_accounts: typed("the ids of accounts in scope, if not all"),
      containment: step("how it was contained"),
      contained_at: step("when it was contained"),
      epoch: step("the epoch from then on"),
      // Nothing reads it, and nothing writes it any more: the timeline says it. A node of the version before still writes it, so it stays.
      kept_tools: step("whether tools were spared, in cases of before"),
      way_in_what: typed("how the thief got in"),
      way_in_closed_at: typed("when that was closed"),
      way_in_evidence: typed("what shows it"),
      notified_at: step("when letters began to go out"),
      scope_count: step("how many accounts are told"),
      letters_finished_at: step("when the last letter had its outcome"),
      closed_at: step("when the case was closed"),
    },
  },
  incident_review: {
    holds: "an item of the review",
    columns: {
      incident_id: incident,
      item: typed("the item"),
      state: typed("whether it is done"),
      note: typed("what the operator noted"),
      at: typed("when"),
    },
  },
  campaign: {
    holds: "the letters of one case",
    columns: {
      incident_id: incident,
      started_at: step("when it began"),
      started_by: typed("the account id of who began it"),
      scope_at: step("up to when accounts are in scope"),
      frozen_up_to: step("up to which account id the scope is fixed"),
      frozen_at: step("when the scope was fixed"),
      index_version: step("which version of a key its letters are counted with"),
      data_key: wrapped("the key that the campaign's own is under"),
      sealed_key: sealed("what its letters' Message-IDs and hashes of addresses are made with"),
      paused_at: step("since when it is paused"),
      paused_by: typed("the account id of who paused it"),
      paused_why: typed("why, where a walk paused it"),
    },
  },
  campaign_shard: {
    holds: "how far the letters of one range of accounts are",
    columns: {
      incident_id: incident,
      shard: step("its number"),
      after_id: step("behind which account id it begins"),
      up_to_id: step("with which account id it ends"),
      resume_after_id: step("up to which account id it is done"),
      walk_id: step("which worker has it"),
      lease_until: step("until when"),
      walked_at: step("when every letter in it had been tried"),
    },
  },
  address_bounce: {
    holds: "an address that letters came back from",
    columns: {
      account_id: shown("which account", because.id),
      address_id: shown("which of its addresses", because.id),
      status: step("why, as a number of RFC 3463"),
      at: step("when"),
    },
  },
  bounce_report: {
    holds: "a relay's report of letters that came back, taken once",
    columns: { digest: digest("the id of the report"), at: step("when it came") },
  },
  campaign_survey: {
    holds: "what was looked up before the letters of one case",
    columns: {
      incident_id: incident,
      asked_at: step("when it was asked for"),
      counted: step("how many accounts were looked at"),
      done_at: step("when it was done"),
      providers: step(
        "how many accounts have their first address with which large provider; domains of fewer than 50 are added up",
      ),
      findings: step("what is in the public DNS about the sender's domain"),
    },
  },
  notice: {
    holds: "the letter's text in one language",
    columns: {
      incident_id: incident,
      locale: typed("the language"),
      subject: typed("its subject"),
      text: typed("its text, which is on the site as well"),
      html: typed("the same as a page"),
      hash: typed("its SHA-256, which the record has too"),
    },
  },
  letter: {
    holds: "what became of one account's letter",
    columns: {
      account_id: shown("which account", because.id),
      incident_id: incident,
      state: step("its outcome"),
      attempts: step("how often it was tried"),
      possibly_twice: step("whether it may have gone twice"),
      lease_until: step("until when a worker has it"),
      due_at: step("when it is tried again"),
      reply: shown("the relay's answer, without addresses", "an outcome is shown with what it rests on"),
      queue_id: shown("the relay's own id of it", "the relay is asked for a letter by it"),
      settled_at: step("when the outcome was known"),
      sent_to: shown("the id of the address it went to", because.id),
      bounced_addresses: shown("the ids of addresses where it came back or was refused", because.id),
      deferred_since: step("since when the relay puts it off"),
      entered_at: step("when its outcome was entered in the record"),
    },
  },
  alarm: {
    holds: "an alarm that rang",
    columns: {
      id: shown("an id", because.id),
      kind: alarm("what rang"),
      about: alarm("what it is about, so that it rings once"),
      place: alarm("which place the copy leaked from"),
      title: alarm("what it says"),
      evidence: alarm("what it is evidence of"),
      not_evidence: alarm("what it is not evidence of"),
      facts: alarm("figures and ids"),
      found_how: alarm("what a case opened from it would say"),
      copied_after: alarm("before when the copy was not made, if that is known"),
      data_classes: alarm("what was taken, if that is known"),
      keys_reachable: alarm("whether keys were in reach, if that is known"),
      at: alarm("when it first rang"),
      last_at: alarm("when it last rang"),
      times: alarm("how often"),
      told_at: alarm("when operators were last told"),
      told_times: alarm("how often it had rung then"),
      acknowledged_at: alarm("when an operator saw it"),
      acknowledged_by: alarm("the account id of that operator"),
      incident_id: alarm("the case that was opened from it"),
    },
  },
  timeline_entry: {
    holds: "one thing that happened",
    columns: {
      id: shown("an id", because.id),
      at: record("when it happened"),
      kind: record("what happened"),
      incident_id: incident,
      body: record("what happened, to which account id"),
      "body.detail.address": keyed("the address of a letter, with a key for each case", {
        repeats: "a letter that came back is told of with the address that it had been sent to",
      }),
      leaf_index: record("its place in the record"),
      leaf_hash: hash,
    },
  },
  timeline_checkpoint: {
    holds: "a signed statement of the record's size and root",
    columns: {
      size: record("how many entries"),
      root: hash,
      frontier: hash,
      note: record("the signed statement"),
      at: record("when"),
    },
  },
  timeline_node: {
    holds: "a hash of a part of the record",
    columns: { level: record("how large a part"), place: record("which part"), hash },
  },
  timeline_witness: {
    holds: "a witness elsewhere, and how far it has followed the record",
    columns: {
      key: record("its name and the id of its key, as it signs"),
      size: record("the largest tree that it cosigned"),
      cosigned_at: record("when it last did"),
      failing_since: record("since when it does not"),
      problem: record("why not, in words of our own"),
    },
  },
  timeline_cosignature: {
    holds: "a witness's signature under a statement of the record's size and root",
    columns: {
      size: record("of which size"),
      key: record("by which witness"),
      line: record("the signature, as anybody can check it"),
      at: record("when"),
    },
  },
  floor: {
    holds: "what is too old to be accepted",
    columns: {
      kind: shown("of what kind", because.epoch),
      epoch: shown("the oldest that is accepted", because.epoch),
      raised_at: shown("since when", because.epoch),
    },
  },
  added_since: {
    holds: "from when on what was added does not count",
    columns: {
      epoch: shown("since which containment", because.epoch),
      since: shown("from when on", because.time),
      operators: shown("which operators' roles it has found to count", "the check reads it with the session"),
    },
  },
  sign_in_window: {
    holds: "how sign-ins went in ten minutes",
    columns: {
      window_start: shown("which ten minutes", because.counts),
      tried: shown("how many were tried", because.counts),
      failed: shown("how many failed", because.counts),
      unknown: shown("how many were for an address that nobody has", because.counts),
      networks: shown("from how many networks", because.counts),
      judged: shown("whether they have been compared with what is usual", because.state),
    },
  },
  refusal_count: {
    holds: "how many were refused for being too old",
    columns: {
      kind: shown("of what kind", because.counts),
      hour: shown("in which hour", because.counts),
      node: shown("by which process", because.id),
      refused: shown("how many", because.counts),
    },
  },
};
