/**
 * Finding payment card numbers in text. There is no field for one here, so where one stands it was typed by mistake, and
 * must neither be stored nor logged (PCI DSS 3.4; ASVS 5.0 14.2.4 and 16.2.5).
 */

/** Issuers by their first digits, as ranges of equal length, with the lengths of their numbers (ISO/IEC 7812). */
const issuers: readonly { readonly from: string; readonly to: string; readonly lengths: readonly number[] }[] = [
  { from: "4", to: "4", lengths: [16, 19] },
  { from: "51", to: "55", lengths: [16] },
  { from: "2221", to: "2720", lengths: [16] },
  { from: "34", to: "34", lengths: [15] },
  { from: "37", to: "37", lengths: [15] },
  { from: "300", to: "305", lengths: [14, 16, 19] },
  { from: "3095", to: "3095", lengths: [14, 16, 19] },
  { from: "36", to: "36", lengths: [14, 16, 19] },
  { from: "38", to: "39", lengths: [14, 16, 19] },
  { from: "3528", to: "3589", lengths: [16, 17, 18, 19] },
  { from: "2200", to: "2204", lengths: [16, 17, 18, 19] },
  { from: "50", to: "50", lengths: [16, 17, 18, 19] },
  { from: "56", to: "69", lengths: [16, 17, 18, 19] },
  { from: "81", to: "82", lengths: [16, 17, 18, 19] },
  { from: "9792", to: "9792", lengths: [16] },
];

const shortest = 14;
const longest = 19;

/** Our own ids, which hold stretches of digits with hyphens between and are no card numbers. */
const uuid = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi;
/** Digits in groups with one or two signs between, not inside a word and not after a plus, as a phone number is. */
const digitRun = /(?<![\p{L}\p{Nd}+])\p{Nd}(?:[\s._/\p{Pd}\u00ad\u200b-\u200d\u2060]{0,2}\p{Nd})*(?![\p{L}\p{Nd}])/gu;

/** Where card numbers stand in a text, as [start, end). */
function* cardNumbers(text: string): Generator<readonly [number, number]> {
  const searched = text.replace(uuid, (id) => "x".repeat(id.length));
  for (const { 0: run, index } of searched.matchAll(digitRun)) {
    const groups = [...run.matchAll(/\p{Nd}+/gu)].map(({ 0: group, index: at }) => ({
      digits: Array.from(group, digitValue).join(""),
      start: index + at,
      end: index + at + group.length,
    }));
    for (let first = 0; first < groups.length; first++) {
      let digits = "";
      for (let last = first; last < groups.length && digits.length <= longest; last++) {
        digits += groups[last]?.digits ?? "";
        if (!isCardNumber(digits)) continue;
        yield [groups[first]?.start ?? 0, groups[last]?.end ?? 0];
        first = last;
        break;
      }
    }
  }
}

/** The value of a decimal digit of any script: Unicode keeps the ten of a script together, in order. */
function digitValue(digit: string): number {
  const code = digit.codePointAt(0) ?? 0;
  // The mathematical digits are five alphabets of ten in a row.
  if (code >= 0x1d7ce && code <= 0x1d7ff) return (code - 0x1d7ce) % 10;
  let value = 0;
  while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(code - value - 1))) value++;
  return value;
}

function isCardNumber(digits: string): boolean {
  if (digits.length < shortest || digits.length > longest) return false;
  const isIssued = issuers.some(({ from, to, lengths }) => {
    const head = digits.slice(0, from.length);
    return head >= from && head <= to && lengths.includes(digits.length);
  });
  // One digit repeated may pass the check of digits; it is a placeholder.
  return isIssued && !/^(\d)\1*$/.test(digits) && passesLuhn(digits);
}

/** Source: ISO/IEC 7812-1 annex B. */
function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i]);
    const doubled = i % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

// Most texts have too few digits for one, and this is asked of every text and log line.
const hasDigits = (text: string): boolean =>
  text.length >= shortest && (text.match(/\p{Nd}/gu)?.length ?? 0) >= shortest;

/** Whether a payment card number stands anywhere in a text, its digits in one piece or in groups. */
export const hasCardNumber = (text: string): boolean => hasDigits(text) && !cardNumbers(text).next().done;

/** The text with every payment card number in it replaced. */
export function maskCardNumbers(text: string): string {
  if (!hasDigits(text)) return text;
  let masked = "";
  let done = 0;
  for (const [start, end] of cardNumbers(text)) {
    masked += `${text.slice(done, start)}[card number]`;
    done = end;
  }
  return masked + text.slice(done);
}
