import type { DetailedHTMLProps, HTMLAttributes } from "react";

type Part = DetailedHTMLProps<HTMLAttributes<HTMLElement>, HTMLElement> & {
  readonly class?: string;
  readonly notooltip?: boolean;
};

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "media-controller": Part & {
        readonly autohide?: string;
        readonly nohotkeys?: boolean;
        readonly gesturesdisabled?: boolean;
        readonly defaultduration?: number;
        readonly novolumepref?: boolean;
      };
      "media-control-bar": Part;
      "media-play-button": Part;
      "media-seek-backward-button": Part & { readonly seekoffset?: string };
      "media-seek-forward-button": Part & { readonly seekoffset?: string };
      "media-time-range": Part;
      "media-preview-time-display": Part;
      "media-preview-chapter-display": Part;
      "media-time-display": Part & { readonly showduration?: boolean; readonly notoggle?: boolean };
      "media-mute-button": Part;
      "media-volume-range": Part;
      "media-pip-button": Part;
      "media-fullscreen-button": Part;
      "media-loading-indicator": Part & { readonly noautohide?: boolean };
    }
  }
}
