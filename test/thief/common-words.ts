const first = [
  "123456",
  "password",
  "qwerty",
  "letmein",
  "dragon",
  "monkey",
  "iloveyou",
  "sunshine",
  "princess",
  "football",
];
const second = ["", "1", "12", "123", "!", "2026", "2025", "01", "69", "007"];
const third = ["", "a", "x", "?", "at home", "-", "_", "the", "my", "no"];

/** What is tried first: common choices and what people add to them. */
export function commonWords(count: number): string[] {
  const words = first.flatMap((word) => second.flatMap((end) => third.map((front) => `${front}${word}${end}`)));
  return words.slice(0, count);
}
