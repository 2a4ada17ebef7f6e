import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeSubtitles, parseCues, writeVtt } from "./cues.ts";

const texts = (source: string): string[] => parseCues(source).map(({ text }) => text);
const one = (text: string): string[] => texts(`1\n00:00:01,000 --> 00:00:02,000\n${text}\n`);

test.each([
  ["as usual", "1\n00:00:01,000 --> 00:00:02,000\nOne\n\n2\n00:00:03,000 --> 00:00:04,000\nTwo\n", ["One", "Two"]],
  ["from Windows", "1\r\n00:00:01,000 --> 00:00:02,000\r\nOne\r\nmore\r\n\r\n", ["One\nmore"]],
  ["from an old Mac", "1\r00:00:01,000 --> 00:00:02,000\rOne\r\r", ["One"]],
  ["without numbers", "00:00:01,000 --> 00:00:02,000\nOne\n00:00:03.5 --> 00:00:04\nTwo", ["One", "Two"]],
  ["without hours", "00:01,000 --> 00:02,000\nOne", ["One"]],
  [
    "with an empty line in a text",
    "1\n0:0:1,0 --> 0:0:2,0\nOne\n\nmore\n\n2\n0:0:3,0 --> 0:0:4,0\nTwo",
    ["One\nmore", "Two"],
  ],
  ["a number as text", "1\n0:0:1,0 --> 0:0:2,0\n42\n\n2\n0:0:3,0 --> 0:0:4,0\n7\n", ["42", "7"]],
  ["with places", "1\n0:0:1,0 --> 0:0:2,0 X1:10 X2:20 Y1:1 Y2:2\nOne", ["One"]],
  ["out of order", "1\n0:0:3,0 --> 0:0:4,0\nTwo\n\n2\n0:0:1,0 --> 0:0:2,0\nOne", ["One", "Two"]],
  ["that end before they begin", "1\n0:0:3,0 --> 0:0:2,0\nTwo\n\n2\n0:0:5,0 --> 0:0:5,0\nOne", []],
  ["no subtitles at all", "MZ\0\0binary --> nothing\n--> \n", []],
  ["nothing", "", []],
  ["times that are none", "1\n99:99:99,9999 --> 1:2:3,0\nOne\n\n1\n00:00:1e9 --> 00:00:02\nTwo", []],
])("SubRip %s", (_name, source, expected) => {
  expect(texts(source)).toEqual(expected);
});

test.each([
  ["<i>slanted</i>", "<i>slanted</i>"],
  ["<I>slanted</I>", "<i>slanted</i>"],
  ['<font color="red">red</font>', "red"],
  ["<b>never closed", "<b>never closed</b>"],
  ["<b><i>crossed</b></i>", "<b><i>crossed</i></b>"],
  ["closed</i> only", "closed only"],
  ["a < b > c & d --> e", "a &lt; b &gt; c &amp; d --&gt; e"],
  ["I <3 you", "I &lt;3 you"],
  ["{\\an8}above", "above"],
  ["{plain}", "{plain}"],
  ["<script>alert(1)</script>", "alert(1)"],
  ["<i onclick=alert(1)>x</i>", "<i>x</i>"],
  ["<<i>script>x</i>", "&lt;<i>script&gt;x</i>"],
  ["zero\0byte\u2028line\u0085bell\u0007", "zerobytelinebell"],
  ["&lt;i&gt;", "&amp;lt;i&amp;gt;"],
  ["WEBVTT", "WEBVTT"],
  ["NOTE this", "NOTE this"],
])("the text %j is shown as %j", (source, expected) => {
  expect(one(source)).toEqual([expected]);
});

test.each(["<i></i>", "{\\an8}", "   ", "<font>"])("the text %j shows nothing", (source) => {
  expect(one(source)).toEqual([]);
});

test("WebVTT keeps its places and its escapes; notes, styles and classes are left out", () => {
  const source = `WEBVTT - a title
X-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000

STYLE
::cue { background: url(https://example.org/) }

NOTE
00:00 is no cue

first
00:01.000 --> 00:02.000 line:10% align:start region:evil position:50%
<v Ann><c.red>Tom &amp; <b>Jerry</b></c></v> <00:01.500>&lt;3

00:03.000 --> 00:04.000

NOTE after an empty cue

01:00:05.000 --> 01:00:06.000
Late
`;
  expect(writeVtt(parseCues(source), -500)).toBe(`WEBVTT
X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0

00:00:00.500 --> 00:00:01.500 line:10% align:start position:50%
Tom &amp; <b>Jerry</b> &lt;3

01:00:04.500 --> 01:00:05.500
Late
`);
});

test("cues before the film's start are cut or left out", () => {
  const cues = parseCues("0:0:1,0 --> 0:0:2,0\nGone\n0:0:3,0 --> 0:0:5,0\nCut\n");
  expect(writeVtt(cues, -4_000).split("\n").slice(3)).toEqual(["00:00:00.000 --> 00:00:01.000", "Cut", ""]);
});

test("encodings are recognized", () => {
  const text = "Grüße, naïve façade";
  const utf16 = Buffer.from(`\uFEFF${text}`, "utf16le");
  expect(decodeSubtitles(Buffer.from(text))).toBe(text);
  expect(decodeSubtitles(Buffer.from(`\uFEFF${text}`))).toBe(text);
  expect(decodeSubtitles(utf16)).toBe(text);
  expect(decodeSubtitles(Buffer.from(utf16).swap16())).toBe(text);
  expect(decodeSubtitles(Buffer.from(text, "latin1"))).toBe(text);
  expect(decodeSubtitles(Buffer.from([0x93, 0x80, 0x94]))).toBe("“€”");
  expect(decodeSubtitles(Buffer.from([0xff, 0xfe, 0x41]))).toBe("\uFFFD");
  expect(decodeSubtitles(Buffer.alloc(0))).toBe("");
});

/** What every WebVTT of ours is, written down a second time: a head, then blocks of times and lines with known tags. */
function expectValid(vtt: string): void {
  const [head, ...blocks] = vtt.split("\n\n");
  expect(head).toMatch(/^WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00\.000,MPEGTS:0\n?$/);
  let before = "";
  for (const [index, block] of blocks.entries()) {
    const lines = (index === blocks.length - 1 ? block.replace(/\n$/, "") : block).split("\n");
    const times = /^(\d{2,3}:[0-5]\d:[0-5]\d\.\d{3}) --> (\d{2,3}:[0-5]\d:[0-5]\d\.\d{3})(?: [a-z0-9:%. -]+)?$/.exec(
      lines[0] ?? "",
    );
    expect(times).not.toBeNull();
    const [start = "", end = ""] = [times?.[1], times?.[2]].map((time) => time?.padStart(13, "0"));
    expect(start < end && before <= start).toBe(true);
    before = start;
    expect(lines.length).toBeGreaterThan(1);
    const open: string[] = [];
    for (const line of lines.slice(1)) {
      expect(line).not.toBe("");
      expect(line).not.toContain("-->");
      const rest = line.replace(/<(\/?)([biu])>/g, (_tag, slash: string, name: string) => {
        if (slash === "") open.push(name);
        else expect(open.pop()).toBe(name);
        return "";
      });
      expect(rest).not.toMatch(/[<>\0\r\u2028\u2029]|&(?!amp;|lt;|gt;)/);
    }
    expect(open).toEqual([]);
  }
}

test("whatever is read, what is written is valid WebVTT", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "WEBVTT\n",
      "NOTE x\n",
      "1\n",
      "\n",
      "\n\n",
      "\r",
      "\0",
      "-->",
      " --> ",
      "<i>",
      "</i>",
      "<b",
      "</b>",
      "<u x=1>",
      "&amp;",
      "&",
      "&lt;",
      "{\\an8}",
      "{",
      "}",
      "<<",
      ">>",
      "00:00:01,000 --> 00:00:02,000\n",
      "\uFEFF",
      "\uD800",
      "01:00 --> 02:00 line:5%\n",
      "999:59:59.999 --> 1:1:1.1\n",
      "\u2028",
      "\u0085",
      "\t",
      "<v ",
      "text",
    ),
    fc.string({ unit: "binary", maxLength: 12 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), fc.integer({ min: -90_000, max: 90_000 }), (pieces, offset) => {
      expectValid(writeVtt(parseCues(pieces.join("")), offset));
    }),
    { numRuns: 2_000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expectValid(writeVtt(parseCues(decodeSubtitles(bytes)), 0));
    }),
  );
});

test("long hostile texts are bounded, and read in one pass", () => {
  const cues = parseCues(`0:0:1,0 --> 0:0:2,0\n${"<".repeat(1_000_000)}${"{\\".repeat(500_000)}\n`.repeat(2));
  expect(cues.length).toBe(2);
  expect(cues.every(({ text }) => text.length < 20_000)).toBe(true);
  const many = parseCues("0:0:1,0 --> 0:0:2,0\nx\n".repeat(50_000));
  expect(many.length).toBe(20_000);
  // Eight megabytes of signs that are each written as five characters.
  const signs = writeVtt(parseCues(`0:0:1,0 --> 0:0:2,0\n${"&".repeat(1_990)}\n`.repeat(4_000)), 0);
  expect(signs.length).toBeLessThan(5_000_000);
  const late = `${"-->\n".repeat(200_000)}0:0:1,0 --> 0:0:2,0\nx\n`;
  expect(parseCues(late.slice(4)).length + parseCues(late.slice(4 * 3)).length).toBe(1);
});
