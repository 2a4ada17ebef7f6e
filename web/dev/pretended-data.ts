import type { TitleDetail, TitleSummary } from "../../src/wire/titles.ts";

export const hourMs = 3_600_000;
export const idOf = (number: number): string => `0190aaaa-bbbb-7ccc-8ddd-${String(number).padStart(12, "0")}`;
export const ago = (ms: number): string => new Date(Date.now() - ms).toISOString();

const films = [
  "The Lamplighter’s Daughter",
  "Night Bus to Odessa",
  "A Room Above the Harbour",
  "Paper Tigers",
  "Eleven Minutes of Rain",
  "The Cartographer",
  "Salt and Cinnamon",
  "What the Projector Saw",
  "Low Tide",
  "Vermilion",
  "The Last Usher",
  "Blue Hour",
  "Orchard Street",
  "Winter Counterpoint",
  "The Understudy",
  "Mandelbrot",
  "Second Balcony",
  "Kingfisher",
];
const seriesNames = ["Signal and Noise", "The House on Acre Lane"];

function summary(number: number, change: Partial<TitleSummary>): TitleSummary {
  const durationSeconds = change.durationSeconds ?? 5_400 + ((number * 997) % 3_600);
  return {
    id: idOf(number),
    kind: "film",
    name: "",
    year: 1962 + ((number * 7) % 63),
    seriesId: null,
    seriesName: null,
    season: null,
    episode: null,
    poster: {
      path: `/api/titles/${idOf(number)}/poster`,
      width: 600,
      height: 900,
      colour: `hsl(${(number * 47) % 360} 38% 22%)`,
    },
    addedAt: ago(number * 31 * hourMs),
    playable: true,
    problem: null,
    progress: null,
    ...change,
    durationSeconds,
  };
}

const started = (positionSeconds: number, durationSeconds: number): TitleSummary["progress"] => ({
  positionSeconds,
  durationSeconds,
  updatedAt: ago(hourMs),
  watched: false,
});

/** A small house: films, two series, some begun, one damaged, one without a poster. */
export function pretendedTitles(): TitleSummary[] {
  const titles = films.map((name, place) =>
    summary(place + 1, {
      name,
      ...(place === 3 ? { progress: started(1_900, 5_800) } : {}),
      ...(place === 7 ? { progress: started(4_100, 6_200) } : {}),
      ...(place === 9 ? { playable: false, problem: "moov atom not found" } : {}),
      ...(place === 11 ? { poster: null } : {}),
    }),
  );
  seriesNames.forEach((seriesName, series) => {
    for (let place = 0; place < 8; place += 1) {
      const number = 100 + series * 20 + place;
      titles.push(
        summary(number, {
          kind: "episode",
          name:
            ["Carrier", "Sidebands", "Static", "Quarter Wave", "Ground Loop", "Aliasing", "Handover", "Silence"][
              place
            ] ?? "",
          seriesId: idOf(900 + series),
          seriesName,
          season: place < 5 ? 1 : 2,
          episode: place < 5 ? place + 1 : place - 4,
          durationSeconds: 2_700,
          ...(place === 2 && series === 0 ? { progress: started(700, 2_700) } : {}),
        }),
      );
    }
  });
  return titles;
}

export function pretendedDetail(titles: readonly TitleSummary[], id: string): TitleDetail | undefined {
  const title = titles.find((one) => one.id === id);
  if (title === undefined) return undefined;
  const episodes = titles.filter(({ seriesId }) => seriesId !== null && seriesId === title.seriesId);
  const place = episodes.findIndex((one) => one.id === id);
  return {
    ...title,
    overview:
      "A projectionist finds a reel that nobody ordered. It shows the street outside the cinema, tomorrow. She has one evening to decide who should see it.",
    width: 1_920,
    height: 1_080,
    audio: [{ number: 1, language: "en", label: "", channels: 2 }],
    subtitles: [{ number: 1, language: "de", label: "" }],
    chapters: [
      { startSeconds: 0, name: "Doors open" },
      { startSeconds: 15, name: "First reel" },
      { startSeconds: 40, name: "Second reel" },
    ],
    episodes,
    nextEpisodeId: episodes[place + 1]?.id ?? null,
  };
}

export function pretendedPoster(number: number, name: string): string {
  const hue = (number * 47) % 360;
  const other = (hue + 60 + ((number * 31) % 120)) % 360;
  const words = name.split(" ");
  const half = Math.ceil(words.length / 2);
  const lines = words.length > 2 ? [words.slice(0, half).join(" "), words.slice(half).join(" ")] : words;
  const text = lines
    .map(
      (line, place) =>
        `<text x="48" y="${720 + place * 74}" font-family="serif" font-weight="700" font-size="${line.length > 13 ? 50 : 64}" fill="#fff3dd">${line.replaceAll("&", "&amp;")}</text>`,
    )
    .join("");
  const cx = 130 + ((number * 83) % 340);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="600" height="900"><defs><linearGradient id="g" x1="0" y1="0" x2=".4" y2="1"><stop offset="0" stop-color="hsl(${other} 52% 46%)"/><stop offset=".55" stop-color="hsl(${hue} 44% 24%)"/><stop offset="1" stop-color="hsl(${hue} 50% 7%)"/></linearGradient><radialGradient id="l"><stop offset="0" stop-color="#ffe9bd"/><stop offset="1" stop-color="hsl(${other} 70% 60%)" stop-opacity="0"/></radialGradient></defs><rect width="600" height="900" fill="url(#g)"/><circle cx="${cx}" cy="${200 + ((number * 59) % 200)}" r="${120 + ((number * 41) % 130)}" fill="url(#l)"/><path d="M0 ${560 - ((number * 29) % 90)} Q ${cx} ${420 + ((number * 67) % 120)} 600 ${590 - ((number * 17) % 80)} V900 H0Z" fill="hsl(${hue} 45% 9%)" opacity=".8"/>${text}</svg>`;
}

/** What has happened to the pretended viewer's account: enough for the list to be shortened. */
export const pretendedEvents = [
  { kind: "signed in", device: "Firefox on Linux", network: "203.0.113.17", class: "browser" },
  { kind: "linked", device: "Living-room TV", network: "203.0.113.17", class: "tv" },
  { kind: "address added", address: "a.rather.long.second.address@mail.some-provider.example" },
  { kind: "contained", reference: "HL-2026-0001" },
  { kind: "renewed" },
  { kind: "password changed" },
  { kind: "device signed out", device: "Chrome on Windows" },
  { kind: "devices signed out" },
  { kind: "change taken back" },
  { kind: "account created" },
].map((event, place) => ({ id: idOf(9_000 + place), at: ago((1 + place * place) * 5 * hourMs), ...event }));
