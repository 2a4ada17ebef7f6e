import "react";

declare module "react" {
  interface CSSProperties {
    readonly "--glow"?: string;
    readonly "--share"?: string;
  }
}
