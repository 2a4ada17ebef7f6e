/** One reply (RFC 5321 section 4.2), its lines joined by spaces. */
export interface Reply {
  readonly code: number;
  readonly lines: readonly string[];
}

/** RFC 5321 section 4.5.3.1.5 has 512; extensions lengthen it, and no relay needs more than this. */
const longestLineBytes = 2_048;
const mostLines = 128;

export interface ReplyReader {
  /** The replies that these bytes complete. Throws `NoReply` for what is none, or is longer than any. */
  push(chunk: Buffer): Reply[];
  /** Whether bytes wait that are no whole reply yet. */
  isMidway(): boolean;
}

/** A relay's bytes that are no reply. */
export class NoReply extends Error {
  override readonly name = "NoReply";
}

/** Puts replies together from chunks cut anywhere. Holds no more than one reply and one line. */
export function replyReader(): ReplyReader {
  let rest = "";
  let lines: string[] = [];
  let code: number | undefined;

  function readLine(line: string, replies: Reply[]): void {
    const [, digits, separator = " ", text = ""] = /^([2-5]\d\d)(?:([ -])(.*))?$/.exec(line) ?? [];
    const number = Number(digits);
    if (digits === undefined || (code !== undefined && code !== number)) {
      throw new NoReply("the relay's answer is no reply");
    }
    lines.push(text);
    if (separator === "-") {
      code = number;
      if (lines.length >= mostLines) throw new NoReply(`the relay's answer has more than ${mostLines} lines`);
      return;
    }
    replies.push({ code: number, lines });
    lines = [];
    code = undefined;
  }

  return {
    push(chunk) {
      // One character for each byte: an answer in any encoding is read, and nothing is thrown at it.
      rest += chunk.toString("latin1");
      const replies: Reply[] = [];
      let from = 0;
      for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n", from)) {
        if (end - from > longestLineBytes) throw new NoReply("the relay's answer has a line without end");
        readLine(rest.slice(from, rest[end - 1] === "\r" ? end - 1 : end), replies);
        from = end + 1;
      }
      rest = rest.slice(from);
      if (rest.length > longestLineBytes) throw new NoReply("the relay's answer has a line without end");
      return replies;
    },
    isMidway: () => rest !== "" || lines.length > 0,
  };
}

/** The reply in one line, as it is kept and shown once addresses are taken out. */
export const replyText = ({ code, lines }: Reply): string => `${code} ${lines.join(" ")}`.trimEnd();
