import type { Plugin } from "vite";

/**
 * hls.js gives each text track an empty `data:` document, which `media-src 'self' blob:` refuses and reports. A blob with
 * the same three words needs no exception. A release that does it in another way stops the build.
 */
export function hlsTrackFromBlob(): Plugin {
  return {
    name: "hls-track-from-blob",
    enforce: "pre",
    transform(code, id) {
      if (!/[\\/]hls\.js[\\/]dist[\\/]hls\.m?js/.test(id)) return undefined;
      const changed = code.replace(
        "el.src = 'data:,WEBVTT';",
        'el.src = URL.createObjectURL(new Blob(["WEBVTT\\n\\n"], { type: "text/vtt" }));',
      );
      if (changed === code) this.error("hls.js changed how it makes text tracks: see build/hls-track-from-blob.ts");
      return { code: changed, map: null };
    },
  };
}
