/** "1 letter", "1,204 letters", in English: for reports and the terminal. `many` where it is not the one with an s. */
export const numbered = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
