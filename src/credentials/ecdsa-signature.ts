/** `SEQUENCE { INTEGER, INTEGER }` of two numbers of 256 bits, each with its sign. */
const mostBytes = 2 + 2 * (2 + 33);

/**
 * Whether the bytes spell an ECDSA signature over P-256 in the one way there is, DER: a sequence of two positive integers,
 * each as short as it can be, and nothing beside them. Whether it is a good one is another question: what checks that reads
 * BER, of which one signature has as many spellings as somebody cares to write.
 *
 * Source: Web Authentication Level 3 section 6.5.5, RFC 3279 section 2.2.3, ITU-T X.690 sections 8.3.2 and 10.1.
 */
export function isEcdsaSignature(bytes: Uint8Array): boolean {
  if (bytes.length > mostBytes || bytes[0] !== 0x30 || bytes[1] !== bytes.length - 2) return false;
  const second = endOfInteger(bytes, 2);
  return second !== undefined && endOfInteger(bytes, second) === bytes.length;
}

/** Where the integer ends that begins at a place; `undefined` if there is none, or it is negative or longer than it need be. */
function endOfInteger(bytes: Uint8Array, at: number): number | undefined {
  const [tag, length = 0, first = 0, next = 0] = bytes.subarray(at, at + 4);
  const end = at + 2 + length;
  if (tag !== 0x02 || length === 0 || end > bytes.length) return undefined;
  const isNegative = first >= 0x80;
  const isPadded = first === 0 && length > 1 && next < 0x80;
  return isNegative || isPadded ? undefined : end;
}
