import { create } from "qrcode";

/** A QR code (ISO/IEC 18004) as the path of an SVG: squares of one unit, in a square of `size` units, quiet zone included. */
export interface QrCode {
  readonly size: number;
  readonly path: string;
}

/** The standard's quiet zone, in units. */
const quietZone = 4;

/** Draws a text. Dark squares that touch in a row are one rectangle, which keeps the path short. */
export function drawQrCode(text: string): QrCode {
  const { modules } = create(text, { errorCorrectionLevel: "M" });
  let path = "";
  for (let y = 0; y < modules.size; y++) {
    for (let x = 0; x < modules.size; x++) {
      if (modules.get(y, x) === 0) continue;
      const from = x;
      while (x + 1 < modules.size && modules.get(y, x + 1) !== 0) x++;
      const width = x - from + 1;
      path += `M${from + quietZone} ${y + quietZone}h${width}v1h-${width}z`;
    }
  }
  return { size: modules.size + 2 * quietZone, path };
}
