/** Nothing was heard within the limit. */
export class Silent extends Error {
  override readonly name = "Silent";
}

/**
 * Runs `act` with a signal that ends it after `limitMs`, or when `left` does: a service that keeps a connection and says nothing
 * is otherwise waited for until the browser's own patience ends, which is minutes.
 *
 * @throws Silent when the limit ended it, else what `act` throws.
 */
export async function within<Result>(
  limitMs: number,
  act: (signal: AbortSignal) => Promise<Result>,
  left?: AbortSignal,
): Promise<Result> {
  const ending = new AbortController();
  const end = () => ending.abort();
  let isOver = false;
  const timer = setTimeout(() => {
    isOver = true;
    end();
  }, limitMs);
  if (left?.aborted === true) end();
  left?.addEventListener("abort", end, { once: true });
  try {
    return await act(ending.signal);
  } catch (error) {
    if (isOver) throw new Silent("no answer in time", { cause: error });
    throw error;
  } finally {
    clearTimeout(timer);
    left?.removeEventListener("abort", end);
  }
}
