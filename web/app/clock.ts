import { useSyncExternalStore } from "react";

const subscribeSeconds = (changed: () => void) => {
  const timer = setInterval(changed, 1_000);
  return () => clearInterval(timer);
};
const wholeSecond = () => Math.floor(Date.now() / 1_000) * 1_000;

/** The present in epoch milliseconds, a new value each second. */
export const useNow = (): number => useSyncExternalStore(subscribeSeconds, wholeSecond);

const subscribeOnline = (changed: () => void) => {
  addEventListener("online", changed);
  addEventListener("offline", changed);
  return () => {
    removeEventListener("online", changed);
    removeEventListener("offline", changed);
  };
};

/** Whether the browser believes that it has a network. */
export const useOnline = (): boolean => useSyncExternalStore(subscribeOnline, () => navigator.onLine);
