import "uplot/dist/uPlot.min.css";
import { useQuery } from "@tanstack/react-query";
import type { ComponentProps } from "react";
import { say } from "../text/say.ts";
import type TimeChart from "./time-chart.tsx";

/**
 * A chart whose code comes when it is first shown, and not while there is no network. Where it could not be fetched that is said
 * in its place, and the rest of the page stays to be read.
 */
export function Chart(props: ComponentProps<typeof TimeChart>) {
  const code = useQuery({
    queryKey: ["chart code"],
    queryFn: () => import("./time-chart.tsx"),
    staleTime: Infinity,
    gcTime: Infinity,
    // A document never asks again for code that it could not get: the next document does.
    retry: false,
    refetchOnMount: false,
  });
  const Drawn = code.data?.default;
  if (Drawn !== undefined) return <Drawn {...props} />;
  if (!code.isError) return <div className="chart" />;
  return (
    <div className="notice">
      <span>{say("chart.away", { label: props.label })}</span>
      <div className="buttons">
        <button className="button-quiet" type="button" onClick={() => location.reload()}>
          {say("failed.retry")}
        </button>
      </div>
    </div>
  );
}
