import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
  useRouterState,
} from "@tanstack/react-router";
import { useEffect, useLayoutEffect, useState } from "react";
import { say } from "../text/say.ts";
import { kindsShown, type ShownKind } from "../console/find-columns.ts";
import { askGrant } from "../player/grant.ts";
import { Failed, isCodeAway, Loading } from "./failed.tsx";
import { lightsOf, setLights } from "./lights.ts";
import { useOnline } from "./clock.ts";
import { ProofFrame } from "./proof.tsx";
import { titleQuery } from "./queries.ts";

interface Context {
  readonly queries: QueryClient;
}

const root = createRootRouteWithContext<Context>()({
  component: House,
  notFoundComponent: () => <Failed error="missing" whole />,
});

/** What every page stands in: the lights, the word about a lost network, the dialog that asks for the password. */
function House() {
  const pathname = useRouterState({ select: (state) => state.resolvedLocation?.pathname ?? state.location.pathname });
  const online = useOnline();
  useLayoutEffect(() => setLights(lightsOf(pathname)), [pathname]);
  useFocusOnNewPage(pathname);
  return (
    <ProofFrame>
      {!online && (
        <div className="offline" role="status">
          {say("offline.banner")}
        </div>
      )}
      <Outlet />
    </ProofFrame>
  );
}

/** A new page is announced by moving the focus to its main part, as a document load would. */
function useFocusOnNewPage(pathname: string) {
  const [first] = useState(pathname);
  useEffect(() => {
    if (pathname === first) return;
    document.getElementById("main")?.focus({ preventScroll: true });
  }, [pathname, first]);
}

const library = createRoute({
  getParentRoute: () => root,
  path: "/",
  validateSearch: (search: Record<string, unknown>): { search?: string } =>
    typeof search["search"] === "string" && search["search"] !== "" ? { search: search["search"].slice(0, 200) } : {},
  component: lazyRouteComponent(() => import("../library/library-page.tsx"), "LibraryPage"),
});
const title = createRoute({
  getParentRoute: () => root,
  path: "/title/$id",
  component: lazyRouteComponent(() => import("../library/title-page.tsx"), "TitlePage"),
});
const watch = createRoute({
  getParentRoute: () => root,
  path: "/watch/$id",
  /** `from` forgets the place that was reached, `at` is another one, in seconds. */
  validateSearch: ({ from, at }: Record<string, unknown>): { from?: "start"; at?: number } => ({
    ...(from === "start" ? { from } : {}),
    ...(typeof at === "number" && at > 0 ? { at } : {}),
  }),
  // Both requests leave while the player's code is still on its way; the page waits for each where it needs it.
  loader: ({ params, context }) => {
    void context.queries.prefetchQuery(titleQuery(params.id));
    return { grant: askGrant(params.id) };
  },
  staleTime: 0,
  gcTime: 0,
  shouldReload: false,
  component: lazyRouteComponent(() => import("../player/watch-page.tsx"), "WatchPage"),
});
const tv = createRoute({
  getParentRoute: () => root,
  path: "/tv",
  component: lazyRouteComponent(() => import("../tv/tv-page.tsx"), "TvPage"),
});
const account = createRoute({
  getParentRoute: () => root,
  path: "/account",
  component: lazyRouteComponent(() => import("../account/account-page.tsx"), "AccountPage"),
});
const consolePage = createRoute({
  getParentRoute: () => root,
  path: "/console",
  component: lazyRouteComponent(() => import("../console/console-page.tsx"), "ConsolePage"),
});
const incident = createRoute({
  getParentRoute: () => root,
  path: "/console/incident/$id",
  component: lazyRouteComponent(() => import("../console/incident-page.tsx"), "IncidentPage"),
});
const copy = createRoute({
  getParentRoute: () => root,
  path: "/console/copy",
  validateSearch: (asked: Record<string, unknown>): { search?: string; kind?: ShownKind } => {
    const { search, kind } = asked;
    const shown = kindsShown.find((one) => one === kind);
    return {
      ...(typeof search === "string" && search !== "" ? { search: search.slice(0, 200) } : {}),
      ...(shown === undefined ? {} : { kind: shown }),
    };
  },
  component: lazyRouteComponent(() => import("../console/copy-page.tsx"), "CopyPage"),
});
const incidents = createRoute({
  getParentRoute: () => root,
  path: "/console/incident",
  beforeLoad: () => {
    // oxlint-disable-next-line typescript/only-throw-error -- the router's own way to redirect
    throw redirect({ to: "/console" });
  },
});
const mailbox = createRoute({
  getParentRoute: () => root,
  path: "/mailbox",
  component: lazyRouteComponent(() => import("../mailbox/mailbox-page.tsx"), "MailboxPage"),
});
const operate = createRoute({
  getParentRoute: () => root,
  path: "/operate",
  component: lazyRouteComponent(() => import("../operate/operate-page.tsx"), "OperatePage"),
});

export function newRouter(queries: QueryClient) {
  return createRouter({
    routeTree: root.addChildren([
      library,
      title,
      watch,
      tv,
      account,
      consolePage,
      incident,
      incidents,
      copy,
      mailbox,
      operate,
    ]),
    context: { queries },
    scrollRestoration: true,
    defaultPendingComponent: () => <Loading />,
    // Code that could not be fetched is not asked for again by its page: the document is.
    defaultErrorComponent: ({ error, reset }) => (
      <Failed error={error} retry={isCodeAway(error) ? () => location.reload() : reset} whole />
    ),
    // Only a change of lights is a scene change; between two dark pages nothing should move.
    defaultViewTransition: {
      types: ({ fromLocation, toLocation }) => {
        if (fromLocation === undefined) return false;
        const to = lightsOf(toLocation.pathname);
        return lightsOf(fromLocation.pathname) === to ? false : [`lights-${to}`];
      },
    },
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof newRouter>;
  }
}
