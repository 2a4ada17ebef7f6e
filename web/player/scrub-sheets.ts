import { within } from "../app/limit.ts";

/** A picture that comes later shows a place that nobody looks for any more. */
const limitMs = 15_000;

/** The part of a sheet that shows one place of the film. */
interface Picture {
  readonly fromSeconds: number;
  readonly toSeconds: number;
  /** The sheet's address. */
  readonly sheet: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The scrub pictures of one film. */
export interface ScrubSheets {
  /** In pixels; `undefined` when there are none, or none can be had. */
  size(): Promise<{ readonly width: number; readonly height: number } | undefined>;
  /** The picture of a place, for whoever closes it; `undefined` when there is none, or none can be had. */
  pictureAt(seconds: number): Promise<ImageBitmap | undefined>;
  /** Lets go of everything. */
  close(): void;
}

const timeForm = String.raw`(\d+):(\d\d):(\d\d\.\d{3})`;
const cueForm = new RegExp(String.raw`^${timeForm} --> ${timeForm}\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)$`, "gm");

/** Reads the service's own cues; a sheet's address is relative to theirs. */
export function readCues(text: string, address: string): Picture[] {
  return [...text.matchAll(cueForm)].map(([, ...parts]) => {
    const secondsFrom = (at: number): number =>
      Number(parts[at]) * 3_600 + Number(parts[at + 1]) * 60 + Number(parts[at + 2]);
    const [x = 0, y = 0, width = 0, height = 0] = parts.slice(7).map(Number);
    const sheet = new URL(parts[6] ?? "", new URL(address, location.href)).href;
    return { fromSeconds: secondsFrom(0), toSeconds: secondsFrom(3), sheet, x, y, width, height };
  });
}

/**
 * Fetches the cues once and a sheet when a place in it is first asked for. Sheets are kept as they came, some 100 kB each, and
 * a picture is decoded out of its sheet each time: a whole film decoded would be 40 MB. `refused` is told when the service
 * refuses one, since the film is refused too then.
 */
export function openScrubSheets(address: string, refused: () => void): ScrubSheets {
  const closing = new AbortController();
  const sheets = new Map<string, Promise<Blob | undefined>>();
  let cues: Promise<readonly Picture[] | undefined> | undefined;

  async function get<Body>(path: string, read: (response: Response) => Promise<Body>): Promise<Body | undefined> {
    const ask = async (signal: AbortSignal) => {
      // The grant in the path is what counts.
      const response = await fetch(path, { signal, credentials: "omit" });
      if (response.status === 401 || response.status === 403) refused();
      return response.ok ? await read(response) : undefined;
    };
    return within(limitMs, ask, closing.signal).catch(() => undefined);
  }
  const readAll = (): Promise<readonly Picture[] | undefined> =>
    (cues ??= get(address, async (response) => readCues(await response.text(), address)));
  function sheetOf(path: string): Promise<Blob | undefined> {
    const known = sheets.get(path);
    if (known !== undefined) return known;
    const asked = get(path, (response) => response.blob()).then((sheet) => {
      // Asked again when it is wanted again.
      if (sheet === undefined) sheets.delete(path);
      return sheet;
    });
    sheets.set(path, asked);
    return asked;
  }

  return {
    size: async () => (await readAll())?.[0],
    pictureAt: async (seconds) => {
      try {
        const picture = (await readAll())?.find(
          ({ fromSeconds, toSeconds }) => fromSeconds <= seconds && seconds < toSeconds,
        );
        const sheet = picture === undefined ? undefined : await sheetOf(picture.sheet);
        if (picture === undefined || sheet === undefined || closing.signal.aborted) return undefined;
        return await createImageBitmap(sheet, picture.x, picture.y, picture.width, picture.height);
      } catch {
        // Not a picture, or let go of meanwhile.
        return undefined;
      }
    },
    close: () => {
      closing.abort();
      sheets.clear();
    },
  };
}
