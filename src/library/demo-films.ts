/** One film of the demo library: what ffmpeg's own sources draw and play. */
export interface DemoFilm {
  /** Folder and name without extension, relative to the library. */
  readonly path: string;
  readonly container: "mp4" | "mkv" | "webm";
  readonly title: string;
  readonly seconds: number;
  /** A filter graph's source and what follows it, without labels; ends at `size`. */
  readonly picture: string;
  /** An audio source that lasts at least `seconds`. */
  readonly sound: string;
  readonly chapters: readonly { readonly atSeconds: number; readonly name: string }[];
  /** By language. */
  readonly subtitles: Readonly<Record<string, readonly DemoLine[]>>;
  /** Whether the subtitles are inside the film, too, or only beside it. */
  readonly isEmbedded: boolean;
  /** The poster's picture, 480x720, and the file it goes to; episodes share their series'. */
  readonly poster: {
    readonly path: string;
    readonly picture: string;
    readonly title: string;
    readonly subtitle: string;
  } | null;
}

export interface DemoLine {
  readonly fromSeconds: number;
  readonly toSeconds: number;
  readonly text: string;
}

const scaled = (flags: "bicubic" | "neighbor"): string => `scale=854:480:flags=${flags},setsar=1`;

/** Sines that swell at paces of their own; `base` in Hz. ffmpeg's expression source costs ten times as much. */
const chord = (base: number, seconds: number, ratios: readonly number[]): string => {
  const voices = ratios.map(
    (ratio, index) =>
      `sine=frequency=${(base * ratio).toFixed(2)}:sample_rate=48000:duration=${seconds},tremolo=f=${(0.1 + 0.037 * index).toFixed(3)}:d=0.85[v${index}]`,
  );
  const inputs = ratios.map((_ratio, index) => `[v${index}]`).join("");
  return `${voices.join(";")};${inputs}amix=inputs=${ratios.length},volume=2,afade=in:d=2,afade=out:st=${seconds - 3}:d=3`;
};

const says = (seconds: number, texts: readonly string[]): DemoLine[] => {
  const each = seconds / texts.length;
  return texts.map((text, index) => ({
    fromSeconds: Math.round(10 * (index * each + 1)) / 10,
    toSeconds: Math.round(10 * (index * each + Math.min(each - 0.5, 6))) / 10,
    text,
  }));
};

const episodeSeconds = 20;

const testCard = (number: number, name: string, picture: string, frequency: number): DemoFilm => ({
  path: `Test Card (1967)/Season 01/Test Card S01E0${number} - ${name}`,
  container: "mp4",
  title: name,
  seconds: episodeSeconds,
  picture,
  sound: `sine=frequency=${frequency}:beep_factor=4:sample_rate=48000:duration=${episodeSeconds},volume=0.25`,
  chapters: [],
  subtitles: { en: says(episodeSeconds, [`${name}.`, "We will be back shortly.", "Please do not adjust your set."]) },
  isEmbedded: false,
  poster:
    number === 1
      ? {
          path: "Test Card (1967)/poster.jpg",
          picture: "smptehdbars=size=480x720:rate=1,eq=saturation=0.75:brightness=-0.04,vignette",
          title: "Test Card",
          subtitle: "A series",
        }
      : null,
});

/** In the order in which they are made: the quickest first, so that there is something to watch within seconds. */
export const demoFilms: readonly DemoFilm[] = [
  {
    path: "Slow Light (2024)/Slow Light (2024)",
    container: "mp4",
    title: "Slow Light",
    seconds: 60,
    picture: `gradients=size=214x120:rate=24:c0=0x1a0f08:c1=0xd9791e:c2=0xffd9a0:c3=0x3b1540:c4=0x0b1a2e:nb_colors=5:speed=0.009:seed=4,${scaled("bicubic")}`,
    sound: chord(110, 60, [1, 1.5, 2.25, 2.5]),
    chapters: [
      { atSeconds: 0, name: "Ember" },
      { atSeconds: 20, name: "Amber" },
      { atSeconds: 40, name: "Dusk" },
    ],
    subtitles: {
      en: says(60, ["The lights go down.", "Nothing happens, slowly.", "It happens in amber.", "The lights come up."]),
      de: says(60, [
        "Das Licht geht aus.",
        "Nichts geschieht, langsam.",
        "Es geschieht in Bernstein.",
        "Das Licht geht an.",
      ]),
    },
    isEmbedded: false,
    poster: {
      path: "Slow Light (2024)/poster.jpg",
      picture:
        "gradients=size=480x720:rate=1:c0=0x1a0f08:c1=0xd9791e:c2=0xffd9a0:c3=0x3b1540:c4=0x0b1a2e:nb_colors=5:seed=4:x0=0:y0=0:x1=480:y1=720",
      title: "Slow Light",
      subtitle: "2024",
    },
  },
  {
    path: "Garden of Cells (1970)/Garden of Cells (1970)",
    container: "mkv",
    title: "Garden of Cells",
    seconds: 60,
    picture: `life=size=214x120:rate=12:mold=60:ratio=0.14:death_color=#8a3a16:life_color=#ffc46b:mold_color=#160a06:random_seed=11,${scaled("neighbor")}`,
    sound: chord(146.83, 60, [1, 1.2, 1.5, 1.8]),
    chapters: [
      { atSeconds: 0, name: "Seeds" },
      { atSeconds: 20, name: "Growth" },
      { atSeconds: 40, name: "Still lives" },
    ],
    subtitles: {
      en: says(60, [
        "Two neighbours: it lives.",
        "Three neighbours: it is born.",
        "Fewer, and it is lonely.",
        "More, and it is crowded.",
      ]),
      fr: says(60, [
        "Deux voisines : elle vit.",
        "Trois voisines : elle naît.",
        "Moins, elle est seule.",
        "Plus, elle étouffe.",
      ]),
    },
    isEmbedded: true,
    poster: {
      path: "Garden of Cells (1970)/poster.jpg",
      picture:
        "life=size=96x144:rate=12:mold=60:ratio=0.16:death_color=#8a3a16:life_color=#ffc46b:mold_color=#160a06:random_seed=11,select=gte(n\\,70),scale=480:720:flags=neighbor",
      title: "Garden of Cells",
      subtitle: "1970",
    },
  },
  testCard(1, "Colour Bars", `smptehdbars=size=854x480:rate=24,setsar=1`, 440),
  testCard(2, "Moving Parts", `testsrc2=size=640x360:rate=24,${scaled("bicubic")}`, 520),
  testCard(3, "Slow Turn", "pal75bars=size=854x480:rate=24,hue=H=2*PI*t/20,setsar=1", 620),
  {
    path: "Rule 110 (1985)/Rule 110 (1985)",
    container: "webm",
    title: "Rule 110",
    seconds: 45,
    picture: `cellauto=size=160x90:rate=12:rule=110:random_seed=5:random_fill_ratio=0.3,format=rgb24,lutrgb=r='val*0.98+12':g='val*0.74+8':b='val*0.40+14',scale=640:360:flags=neighbor,setsar=1`,
    sound: chord(98, 45, [1, 2, 3, 4.5]),
    chapters: [
      { atSeconds: 0, name: "Rule" },
      { atSeconds: 22, name: "Consequence" },
    ],
    subtitles: {
      en: says(45, ["Eight lines of law.", "Everything that can be computed", "falls down this screen."]),
      es: says(45, ["Ocho líneas de ley.", "Todo lo que puede calcularse", "cae por esta pantalla."]),
    },
    isEmbedded: false,
    poster: {
      path: "Rule 110 (1985)/poster.jpg",
      picture:
        "cellauto=size=160x240:rate=24:rule=110:random_seed=5:random_fill_ratio=0.02:scroll=0:full=0,select=gte(n\\,238),format=rgb24,lutrgb=r='val*0.98+5':g='val*0.74+3':b='val*0.40+8',scale=480:720:flags=neighbor",
      title: "Rule 110",
      subtitle: "1985",
    },
  },
  {
    path: "Seahorse Valley (1980)/Seahorse Valley (1980)",
    container: "mp4",
    title: "Seahorse Valley",
    seconds: 60,
    picture:
      "mandelbrot=size=428x240:rate=12:maxiter=250:inner=black:end_pts=720:start_scale=0.12:end_scale=0.0006:start_x=-0.743643887037158704752191506114774:start_y=0.131825904205311970493132056385139," +
      `format=gray,format=yuv444p,pseudocolor=preset=inferno,${scaled("bicubic")}`,
    sound: chord(130.81, 60, [1, 1.25, 1.5, 1.875]),
    chapters: [
      { atSeconds: 0, name: "From afar" },
      { atSeconds: 20, name: "The valley" },
      { atSeconds: 40, name: "Spirals" },
    ],
    subtitles: {
      en: says(60, ["Take a number. Square it. Add the number.", "Again.", "Again.", "It has no end."]),
      ja: says(60, ["数をひとつ。二乗して、足す。", "もう一度。", "もう一度。", "終わりはない。"]),
    },
    isEmbedded: true,
    poster: {
      path: "Seahorse Valley (1980)/poster.jpg",
      picture:
        "mandelbrot=size=480x720:rate=1:maxiter=700:inner=black:start_scale=0.012:start_x=-0.743643887037158704752191506114774:start_y=0.131825904205311970493132056385139,format=gray,format=yuv444p,pseudocolor=preset=inferno",
      title: "Seahorse Valley",
      subtitle: "1980",
    },
  },
];
