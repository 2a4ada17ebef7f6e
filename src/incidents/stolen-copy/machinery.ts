import { because, digest, sealed, shown, type Declarations } from "./declare.ts";

const library = (what: string) => shown(what, because.library);
const queue = (what: string) => shown(what, because.queue);
const upkeep = (what: string) => shown(what, because.upkeep);

/** The library, the queue and the upkeep of the service: nothing of a person but what waits in the queue, sealed. */
export const machinery: Declarations = {
  series: {
    holds: "a series",
    columns: {
      id: library("an id"),
      identity: library("a digest of the name it goes by"),
      name: library("its name"),
      year: library("its year"),
      added_at: library("when it came"),
    },
  },
  title: {
    holds: "a film or episode",
    columns: {
      id: library("an id"),
      kind: library("film or episode"),
      identity: library("a digest of the name it goes by"),
      name: library("its name"),
      year: library("its year"),
      series_id: library("its series"),
      season: library("its season"),
      episode: library("its number"),
      last_episode: library("the last number, where a file has several"),
      search_text: library("what search looks at"),
      sort_key: library("what it is sorted by"),
      added_at: library("when it came"),
      visible: library("whether it is shown"),
    },
  },
  file: {
    holds: "a file on disk",
    columns: {
      id: library("an id"),
      title_id: library("its title"),
      path: library("its path inside the library"),
      fingerprint: library("a digest of parts of it"),
      size_bytes: library("its size"),
      state: library("whether it can be played"),
      problem: library("why not"),
      facts: library("what is in it"),
      index: library("where its key frames lie"),
      sidecars: library("subtitles beside it"),
      pictures: library("pictures beside it"),
      first_seen_at: library("when it came"),
      inspected_at: library("when it was looked at"),
    },
  },
  artwork: {
    holds: "a poster",
    columns: {
      title_id: library("its title"),
      source: library("what it was made from"),
      digest: library("its digest, which is its file's name"),
      width: library("its width"),
      height: library("its height"),
      colour: library("its colour"),
      made_at: library("when it was made"),
    },
  },
  scrub: {
    holds: "the making of a film's scrub pictures",
    columns: {
      file_id: library("its file"),
      fingerprint: library("a digest of parts of it"),
      state: library("whether they are made"),
      tries: library("how often it was tried"),
      tried_at: library("when it was tried last"),
      problem: library("why it failed"),
      away_since: library("since when the file is away"),
    },
  },
  scan: {
    holds: "a look through the library",
    columns: {
      id: library("an id"),
      started_at: library("when it began"),
      finished_at: library("when it ended"),
      counts: library("what it found, in numbers"),
      inspecting: library("the files that are looked into"),
      to_inspect: library("how many were to be looked into"),
    },
  },
  instance: {
    holds: "the database itself",
    columns: {
      only_row: upkeep("that there is one"),
      id: shown("the database's id", "the keyholder knows the database by it"),
    },
  },
  key_version: {
    holds: "a version of a key, and nothing of the key",
    columns: {
      purpose: upkeep("what the key is for"),
      version: upkeep("its number"),
      fingerprint: shown(
        "a fingerprint by which the service knows the key",
        "a hash of 256 random bits leads back to nothing",
      ),
      state: upkeep("whether it is in use"),
      made_at: upkeep("when it was made"),
      retired_at: upkeep("when it was destroyed"),
    },
  },
  key_file: {
    holds: "the newest file of keys that this database has been used with",
    columns: { only_row: upkeep("that there is one"), generation: upkeep("its number") },
  },
  key_rewrap: {
    holds: "how far a column has been sealed again",
    columns: {
      table_name: upkeep("the table"),
      column_name: upkeep("the column"),
      purpose: upkeep("the key"),
      to_version: upkeep("its version"),
      after_key: shown("up to which row", because.id),
      rewrapped: upkeep("how many rows"),
      unreadable: upkeep("how many did not open"),
      started_at: upkeep("since when"),
      finished_at: upkeep("until when"),
    },
  },
  key_caller: {
    holds: "a process that uses keys",
    columns: {
      caller: digest("a secret of the process's memory", { group: "caller" }),
      role: upkeep("what it may ask for"),
      announced_to: upkeep("how many uses it has announced"),
      opened_at: upkeep("since when"),
      renewed_at: upkeep("when it announced last"),
      closed_at: upkeep("when it ended"),
    },
  },
  key_ledger: {
    holds: "the last comparison of uses of keys",
    columns: {
      only_row: upkeep("that there is one"),
      ledger: shown("the id of the keyholder's own count", because.id),
      totals: upkeep("how often keys were used, by purpose"),
      compared_at: upkeep("when"),
    },
  },
  key_use: {
    holds: "how often keys were used in an hour",
    columns: {
      purpose: upkeep("what for"),
      hour: upkeep("which hour"),
      served: shown("how often", because.counts),
    },
  },
  key_surplus: {
    holds: "uses of keys that nobody announced",
    columns: {
      caller: digest("a secret that the caller has, or no name at all", {
        group: "caller",
        repeats: "a caller has a row for each purpose",
      }),
      role: upkeep("in which role"),
      purpose: upkeep("what for"),
      surplus: shown("how often", because.counts),
      first_at: upkeep("since when"),
      last_at: upkeep("until when"),
    },
  },
  migration: {
    holds: "a change of the schema",
    columns: {
      number: upkeep("its number"),
      name: upkeep("its name"),
      hash: upkeep("its hash, as in the repository"),
      applied_at: upkeep("when it was made"),
    },
  },
  "graphile_worker._private_jobs": {
    holds: "work that waits: letters on their way among it",
    columns: {
      id: queue("its number, and so how many there have been"),
      job_queue_id: queue("whether it waits for others"),
      task_id: queue("what kind of work"),
      payload: queue("ids of what the work is about"),
      "payload.sealed": sealed("a letter: its kind, to whom it goes, the code in it"),
      priority: queue("how urgent it is"),
      run_at: queue("when it is due"),
      attempts: queue("how often it was tried"),
      max_attempts: queue("how often it may be"),
      last_error: queue("what went wrong the last time, in words without values"),
      created_at: queue("when it was queued"),
      updated_at: queue("when it was last touched"),
      key: queue("that at most one of it waits"),
      locked_at: queue("since when a worker has it"),
      locked_by: queue("which worker"),
      revision: queue("how often it was replaced"),
      flags: queue("marks of the queue's own"),
      is_available: queue("whether it can be taken"),
    },
  },
  "graphile_worker._private_tasks": {
    holds: "a kind of work",
    columns: { id: queue("its number"), identifier: queue("its name") },
  },
  "graphile_worker._private_job_queues": {
    holds: "work that is done one by one",
    columns: {
      id: queue("its number"),
      queue_name: queue("its name"),
      locked_at: queue("since when a worker has it"),
      locked_by: queue("which worker"),
      is_available: queue("whether it can be taken"),
    },
  },
  "graphile_worker._private_known_crontabs": {
    holds: "work that comes round",
    columns: {
      identifier: queue("its name"),
      known_since: queue("since when"),
      last_execution: queue("when it last came"),
    },
  },
  "graphile_worker.migrations": {
    holds: "a change of the queue's schema",
    columns: {
      id: upkeep("its number"),
      ts: upkeep("when it was made"),
      breaking: upkeep("whether older workers must stop"),
    },
  },
};
