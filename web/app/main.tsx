import "./early.ts";
import "../style/tokens.css";
import "../style/parts.css";
import "../style/app.css";
import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { createRoot } from "react-dom/client";
import { goSignIn, isSignedOut, Refused, Unreachable } from "./api.ts";
import { Cancelled } from "./proof.tsx";
import { lightsOf, setLights } from "./lights.ts";
import { newRouter } from "./routes.tsx";
import { locale } from "../text/say.ts";

// Before the first paint, so that a light page does not start dark.
setLights(lightsOf(location.pathname));
document.documentElement.lang = locale;

/** Pages that say by themselves what a missing sign-in means. */
const ownAnswer = /^\/(watch|tv|operate)(\/|$)/;

const queries = new QueryClient({
  queryCache: new QueryCache({
    onError: (error) => {
      if (!isSignedOut(error) || ownAnswer.test(location.pathname)) return;
      if (document.querySelector("dialog[data-stays]") === null) goSignIn();
    },
  }),
  defaultOptions: {
    queries: {
      // A refusal stays one, and so does a person's no; only a missing answer is worth asking for again, unless it was waited for.
      retry: (count, error) =>
        count < 2 &&
        !(error instanceof Cancelled) &&
        !(error instanceof Refused && error.status < 500) &&
        !(error instanceof Unreachable && error.isSilent),
      retryDelay: (count) => 400 * 2 ** count,
      staleTime: 5_000,
    },
  },
});

const root = document.getElementById("root");
if (root !== null) {
  createRoot(root).render(
    <QueryClientProvider client={queries}>
      <RouterProvider router={newRouter(queries)} />
    </QueryClientProvider>,
  );
}
