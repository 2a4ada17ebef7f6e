type Direction = "ArrowUp" | "ArrowDown" | "ArrowLeft" | "ArrowRight";

const isDirection = (key: string): key is Direction =>
  key === "ArrowUp" || key === "ArrowDown" || key === "ArrowLeft" || key === "ArrowRight";

const focusable = "a[href], button:not(:disabled), [tabindex='0']";

/**
 * Moves the focus to the nearest thing in the direction of an arrow key, inside `frame`. What lies straight ahead wins over
 * what is nearer but aside, so that a column stays a column.
 *
 * @returns whether the key was used.
 */
export function moveFocus(frame: HTMLElement, key: string): boolean {
  if (!isDirection(key)) return false;
  const all = [...frame.querySelectorAll<HTMLElement>(focusable)].filter((one) => one.offsetParent !== null);
  const here = document.activeElement;
  if (here === null || here === frame || !frame.contains(here)) {
    all[0]?.focus();
    return all.length > 0;
  }
  const from = here.getBoundingClientRect();
  let best: HTMLElement | undefined;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const one of all) {
    if (one === here) continue;
    const cost = costOf(from, one.getBoundingClientRect(), key);
    if (cost < bestCost) [best, bestCost] = [one, cost];
  }
  if (best === undefined) return false;
  best.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "smooth" });
  best.focus({ preventScroll: true });
  return true;
}

function costOf(from: DOMRect, to: DOMRect, key: Direction): number {
  const sideways = key === "ArrowLeft" || key === "ArrowRight";
  const ahead = {
    ArrowRight: to.left - from.left,
    ArrowLeft: from.right - to.right,
    ArrowDown: to.top - from.top,
    ArrowUp: from.bottom - to.bottom,
  }[key];
  if (ahead < 4) return Number.POSITIVE_INFINITY;
  const overlap = sideways
    ? Math.min(from.bottom, to.bottom) - Math.max(from.top, to.top)
    : Math.min(from.right, to.right) - Math.max(from.left, to.left);
  // Along a row only what stands in the row: the last poster does not lead into the next shelf.
  if (sideways && overlap <= 0) return Number.POSITIVE_INFINITY;
  const aside = sideways
    ? Math.abs(from.top + from.bottom - to.top - to.bottom) / 2
    : Math.abs(from.left + from.right - to.left - to.right) / 2;
  return ahead + aside * (overlap > 0 ? 0.3 : 2);
}
