/** Told by long work how far it is, as often as it likes; `total` is null where nobody knows. Both are in one unit. */
export type Progress = (done: number, total: number | null) => void;
