import type { StolenCopy } from "../../src/wire/stolen-copy.ts";

const column = (
  name: string,
  kind: StolenCopy["tables"][number]["columns"][number]["kind"],
  says: string,
  because: string | null = null,
) => ({
  name,
  kind,
  says,
  because,
});

/** One table of each kind: closed and readable, readable only, and one that somebody added. */
export const pretendedCopy: StolenCopy = {
  tables: [
    {
      name: "exports_2026_11",
      group: null,
      holds: null,
      rowsAbout: 48_000,
      columns: [column("mail", "unknown", "nobody has said what it is")],
    },
    {
      name: "account",
      group: "people",
      holds: "a person's registration",
      rowsAbout: 4_812_077,
      columns: [
        column(
          "id",
          "shown",
          "an id",
          "an id is random and time-ordered; it opens nothing and leads to no person by itself",
        ),
        column("locale", "shown", "the language of its letters", "letters are planned by language"),
        column("data_key", "wrapped", "the key that its sealed values are under"),
        column("sealed_name", "sealed", "the name"),
      ],
    },
    {
      name: "ticket",
      group: "people",
      holds: "a request to renew a password",
      rowsAbout: 31,
      columns: [
        column("browser_digest", "digest", "the browser that may use the code"),
        column("address_index", "keyed", "the address that was asked for", "several requests for one address"),
        column("code_mac", "keyed", "the mailed code"),
        column(
          "tries",
          "shown",
          "how many wrong codes were tried",
          "tries are limited in the statement that counts them",
        ),
      ],
    },
    {
      name: "graphile_worker._private_known_crontabs",
      group: "machinery",
      holds: "work that comes round",
      rowsAbout: 1,
      columns: [column("identifier", "shown", "its name", "the queue works by it")],
    },
  ],
};
