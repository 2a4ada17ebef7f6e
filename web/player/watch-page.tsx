import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useLoaderData, useNavigate, useParams, useRouter, useSearch } from "@tanstack/react-router";
import { useCallback, useEffect, useState } from "react";
import type { Grant, TitleDetail } from "../../src/wire/titles.ts";
import { useDocumentTitle } from "../app/page-frame.tsx";
import { titleQuery } from "../app/queries.ts";
import { Screen } from "./screen.tsx";

export function WatchPage() {
  const { id } = useParams({ from: "/watch/$id" });
  const { from, at } = useSearch({ from: "/watch/$id" });
  const { grant } = useLoaderData({ from: "/watch/$id" });
  // A new title is a new player: nothing of the last one may live on.
  return <Watch key={`${id} ${from ?? ""} ${at ?? ""}`} id={id} at={from === "start" ? 0 : at} grant={grant} />;
}

/** Where to go on: a little before the place that was reached, or the start of what is over. */
function resumeSeconds(title: TitleDetail): number {
  const { progress } = title;
  if (progress === null || progress.watched || progress.positionSeconds < 5) return 0;
  return Math.max(0, progress.positionSeconds - 2);
}

interface WatchProps {
  readonly id: string;
  /** In seconds; `undefined`: where it was left. */
  readonly at: number | undefined;
  readonly grant: Promise<Grant>;
}

function Watch({ id, at, grant }: WatchProps) {
  const queries = useQueryClient();
  const router = useRouter();
  const navigate = useNavigate();
  const title = useQuery({ ...titleQuery(id), refetchOnWindowFocus: false });
  const [startSeconds] = useState(() =>
    at !== undefined ? Promise.resolve(at) : queries.ensureQueryData(titleQuery(id)).then(resumeSeconds, () => 0),
  );
  useDocumentTitle(title.data?.name ?? "");
  useEffect(
    () => () => {
      void queries.invalidateQueries({ queryKey: ["titles"] });
      void queries.invalidateQueries({ queryKey: ["title"] });
    },
    [queries],
  );
  const leave = useCallback(() => {
    if (router.history.canGoBack()) router.history.back();
    else void navigate({ to: "/title/$id", params: { id } });
  }, [router, navigate, id]);
  const next = useCallback(
    (nextId: string) => void navigate({ to: "/watch/$id", params: { id: nextId }, replace: true }),
    [navigate],
  );
  return (
    <Screen titleId={id} title={title.data} grant={grant} startSeconds={startSeconds} onLeave={leave} onNext={next} />
  );
}
