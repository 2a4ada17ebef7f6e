/**
 * What has to be looked at before a case closes; each item is done, or explained. Kept as data, so that a service can
 * be asked for more without a change of code elsewhere.
 */
export const reviewItems = [
  { item: "way-in", title: "The way in is closed, and the evidence is kept" },
  { item: "other-copies", title: "Backups, replicas and exports were checked for the same way in" },
  { item: "added-credentials", title: "Credentials, addresses and operators added since the copy were reviewed" },
  { item: "keys", title: "Whether keys were reachable is settled, and they were rotated if so" },
  { item: "authorities", title: "Authorities were told, or the decision not to tell them is recorded" },
  { item: "logs", title: "Logs of the time in question are kept where the intruder could not reach them" },
  { item: "lessons", title: "What is changed so that it does not happen again is written down" },
] as const;
