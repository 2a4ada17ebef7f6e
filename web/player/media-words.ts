// Imported before the control elements: each of them says its words when it is made.
import { addTranslation, setLanguage } from "media-chrome/dist/utils/i18n.js";
import { locale, say, type Plain } from "../text/say.ts";

/** What the control elements say, by the words that they ask for. Capitals are in hints that are not shown. */
const spoken: Readonly<Record<string, Plain>> = {
  "video player": "media.player",
  play: "media.play",
  pause: "media.pause",
  "seek back {seekOffset} seconds": "media.back",
  "seek forward {seekOffset} seconds": "media.forward",
  mute: "media.mute",
  unmute: "media.unmute",
  volume: "media.volume",
  seek: "media.seek",
  "playback time": "media.time",
  "{currentTime} of {totalTime}": "media.time.of",
  "{time} remaining": "media.time.remaining",
  "video not loaded, unknown time.": "media.time.unknown",
  "chapter: {chapterName}": "media.chapter",
  "media loading": "media.loading",
  "enter fullscreen mode": "media.full-screen",
  "exit fullscreen mode": "media.full-screen.leave",
  "enter picture in picture mode": "media.picture",
  "exit picture in picture mode": "media.picture.leave",
  hour: "media.hour",
  hours: "media.hours",
  minute: "media.minute",
  minutes: "media.minutes",
  second: "media.second",
  seconds: "media.seconds",
};

addTranslation(locale, Object.fromEntries(Object.entries(spoken).map(([asked, key]) => [asked, say(key)])));
setLanguage(locale);
