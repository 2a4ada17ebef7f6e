import { useEffect, useRef } from "react";
import uPlot from "uplot";
import { showClock, showDay, showNumber } from "../text/say.ts";

interface TimeChartProps {
  /** What a person who does not see the drawing is told. */
  readonly label: string;
  /** Epoch milliseconds, ascending, and a value for each. */
  readonly points: readonly (readonly [number, number])[];
  /** Counts, so long each: between two minutes, or two hours, there is nothing to name. A line otherwise. */
  readonly bars?: "minute" | "hour";
}

const height = 200;
/** How far apart the ticks under bars may be, in seconds. */
const minuteSteps = [1, 2, 5, 10, 15, 30].map((minutes) => minutes * 60);
const hourSteps = [1, 2, 3, 6, 12, 24, 48, 168].map((hours) => hours * 3_600);

/** A time series: bars for counts by hour, a line for something that grows. Redraws with its room and its data. */
export default function TimeChart({ label, points, bars }: TimeChartProps) {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(points);

  useEffect(() => {
    if (frame.current === null) return undefined;
    const element = frame.current;
    const style = getComputedStyle(element);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const axis: uPlot.Axis = {
      stroke: colour("--ink-soft"),
      font: `12px ${style.fontFamily}`,
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
    };
    const made = new uPlot(
      {
        width: element.clientWidth,
        height,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false } },
        scales: { y: { range: (_plot, _min, max) => [0, Math.max(4, Math.ceil(max * 1.1))] } },
        axes: [
          {
            ...axis,
            grid: { show: false },
            ...(bars === undefined ? {} : { incrs: bars === "hour" ? hourSteps : [...minuteSteps, ...hourSteps] }),
            values: (_plot, splits, _axis, _space, step) => timeLabels(splits, step),
          },
          {
            ...axis,
            size: 56,
            values: (_plot, splits) => splits.map(showNumber),
            incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6],
          },
        ],
        series: [
          {},
          {
            stroke: colour("--accent-ink"),
            width: bars === undefined ? 2 : 0,
            fill: bars === undefined ? colour("--accent-wash") : colour("--accent"),
            points: { show: false },
            ...(bars !== undefined && uPlot.paths.bars !== undefined
              ? { paths: uPlot.paths.bars({ size: [0.8, 48], align: 1 }) }
              : {}),
          },
        ],
      },
      aligned(latest.current),
      element,
    );
    plot.current = made;
    const watcher = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [bars]);

  useEffect(() => {
    latest.current = points;
    plot.current?.setData(aligned(points));
  }, [points]);

  return <div ref={frame} className="chart" role="img" aria-label={label} />;
}

const daySeconds = 86_400;

/** Under each tick its time of day, and the day once; days alone where ticks are days. Seconds since the epoch. */
function timeLabels(splits: readonly number[], step: number): string[] {
  const days = splits.map((at) => showDay(at * 1_000));
  return splits.map((at, place) => {
    const day = days[place] ?? "";
    if (step >= daySeconds) return day;
    return day === days[place - 1] ? showClock(at * 1_000) : `${showClock(at * 1_000)}\n${day}`;
  });
}

const aligned = (points: TimeChartProps["points"]): uPlot.AlignedData => [
  points.map(([at]) => at / 1_000),
  points.map(([, value]) => value),
];
