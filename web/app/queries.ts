import { queryOptions } from "@tanstack/react-query";
import type { LobbyView } from "../../src/wire/lobby.ts";
import type { Static } from "typebox";
import type {
  Account,
  CurrentNotice,
  CurrentSession,
  DeviceList,
  Mailbox,
  Operators,
} from "../../src/wire/accounts.ts";
import type { Deletion } from "../../src/wire/leaving.ts";
import type { AccountEvents } from "../../src/wire/account-events.ts";
import type { PasskeyList } from "../../src/wire/passkeys.ts";
import type { Console, IncidentList, IncidentStatus } from "../../src/wire/incidents.ts";
import type { SecondFactor } from "../../src/wire/second-factors.ts";
import type { StolenCopy } from "../../src/wire/stolen-copy.ts";
import type { TitleDetail, TitleList } from "../../src/wire/titles.ts";
import { isSignedOut, send } from "./api.ts";

export type Session = Static<typeof CurrentSession>;
export type Notice = Static<typeof CurrentNotice>["notice"];
export type ConsoleNumbers = Static<typeof Console>;

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: ({ signal }) => send<Session>("GET", "/api/session", { signal }),
  staleTime: 60_000,
});

export const noticeQuery = queryOptions({
  queryKey: ["notice"],
  queryFn: async ({ signal }) => (await send<Static<typeof CurrentNotice>>("GET", "/api/notice", { signal })).notice,
});

/** How many titles one page of the library asks for. */
const pageSize = 200;

export const titlesPage = (after: string | null, signal: AbortSignal) =>
  send<TitleList>(
    "GET",
    `/api/titles?limit=${pageSize}${after === null ? "" : `&after=${encodeURIComponent(after)}`}`,
    {
      signal,
    },
  );

export const searchQuery = (search: string) =>
  queryOptions({
    queryKey: ["search", search],
    queryFn: ({ signal }) =>
      send<TitleList>("GET", `/api/titles?limit=60&search=${encodeURIComponent(search)}`, { signal }),
    staleTime: 10_000,
  });

export const titleQuery = (id: string) =>
  queryOptions({
    queryKey: ["title", id],
    queryFn: ({ signal }) => send<TitleDetail>("GET", `/api/titles/${encodeURIComponent(id)}`, { signal }),
  });

export const accountQuery = queryOptions({
  queryKey: ["account"],
  queryFn: ({ signal }) => send<Account>("GET", "/api/account", { signal }),
});

export const passkeysQuery = queryOptions({
  queryKey: ["passkeys"],
  queryFn: ({ signal }) => send<PasskeyList>("GET", "/api/account/passkeys", { signal }),
});

export const deletionQuery = queryOptions({
  queryKey: ["deletion"],
  queryFn: ({ signal }) => send<Static<typeof Deletion>>("GET", "/api/account/deletion", { signal }),
});

export const secondFactorQuery = queryOptions({
  queryKey: ["second-factor"],
  queryFn: ({ signal }) => send<SecondFactor>("GET", "/api/account/second-factor", { signal }),
});

export const eventsQuery = queryOptions({
  queryKey: ["events"],
  queryFn: ({ signal }) => send<AccountEvents>("GET", "/api/account/events", { signal }),
});

const liveMs = 2_000;

/** Asks again and again, until the answer is that nobody is signed in here. */
const live =
  (everyMs: number) =>
  (query: { readonly state: { readonly error: Error | null } }): number | false =>
    isSignedOut(query.state.error) ? false : everyMs;

export const devicesQuery = queryOptions({
  queryKey: ["devices"],
  queryFn: ({ signal }) => send<DeviceList>("GET", "/api/sessions", { signal }),
  refetchInterval: live(15_000),
});

export const consoleQuery = queryOptions({
  queryKey: ["console"],
  queryFn: ({ signal }) => send<ConsoleNumbers>("GET", "/api/console", { signal }),
  refetchInterval: live(liveMs),
});

export type LobbyNumbers = LobbyView;
export const lobbyQuery = queryOptions({
  queryKey: ["lobby"],
  queryFn: ({ signal }) => send<LobbyNumbers>("GET", "/api/lobby", { signal }),
  refetchInterval: live(liveMs),
});

export const incidentsQuery = queryOptions({
  queryKey: ["incidents"],
  queryFn: ({ signal }) => send<Static<typeof IncidentList>>("GET", "/api/incidents", { signal }),
  refetchInterval: live(5 * liveMs),
});

export const incidentQuery = (id: string) =>
  queryOptions({
    queryKey: ["incident", id],
    queryFn: ({ signal }) => send<IncidentStatus>("GET", `/api/incidents/${encodeURIComponent(id)}`, { signal }),
    refetchInterval: live(liveMs),
  });

export const stolenCopyQuery = queryOptions({
  queryKey: ["stolen copy"],
  queryFn: ({ signal }) => send<StolenCopy>("GET", "/api/stolen-copy", { signal }),
});

export const operatorsQuery = queryOptions({
  queryKey: ["operators"],
  queryFn: ({ signal }) => send<Operators>("GET", "/api/operators", { signal }),
});

export const mailboxQuery = queryOptions({
  queryKey: ["mailbox"],
  queryFn: ({ signal }) => send<Mailbox>("GET", "/api/mailbox", { signal }),
  refetchInterval: live(liveMs),
});
