/**
 * Runs pieces of work one after another, in the order in which they are given. One that fails fails for whoever gave it, and the
 * next runs all the same.
 */
export function inTurn(): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };
}
