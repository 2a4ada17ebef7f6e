/** Long work calls it, as often as it likes, with how far it is. Both are in one unit; `total` is null where it is not known. */
export type Progress = (done: number, total: number | null) => void;
