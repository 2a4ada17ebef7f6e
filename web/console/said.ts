import { locale, say, sayIfAny, showLanguage } from "../text/say.ts";

interface Said {
  readonly text: string;
  readonly language: string;
}

/** Sentences with something in them that changes; its name is the place in the words. */
const withPlace = [
  { form: /^it answered (?<status>\d+)$/, key: "said.it answered" },
  { form: /^it could not be reached \((?<why>.*)\)$/s, key: "said.it could not be reached" },
  { form: /^ffmpeg cannot decode it: (?<why>.*)$/s, key: "said.ffmpeg cannot decode it" },
  { form: /^it cannot be encoded: (?<why>.*)$/s, key: "said.it cannot be encoded" },
] as const;

/** A sentence that the service wrote for the record and the terminal, in the reader's words; as it was written where there are none. */
export function saidText(sentence: string): Said {
  const ofLetter = /^the letter in (?<letter>\w+): (?<why>.*)$/s.exec(sentence)?.groups;
  if (ofLetter !== undefined) {
    const { letter = "", why = "" } = ofLetter;
    const said = saidText(why);
    return {
      text: say("said.the letter in", { language: showLanguage(letter), why: said.text }),
      language: said.language,
    };
  }
  const whole = sayIfAny(`said.${sentence}`);
  if (whole !== undefined) return { text: whole, language: locale };
  for (const { form, key } of withPlace) {
    const places = form.exec(sentence)?.groups;
    if (places !== undefined) return { text: say(key, places), language: locale };
  }
  return { text: sentence, language: "en" };
}
