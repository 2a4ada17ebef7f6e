import { useEffect, type RefObject } from "react";
import { moveFocus } from "../app/arrow-focus.ts";
import type { Player } from "./player-store.ts";

const skipSeconds = 10;
const volumeStep = 0.05;

interface RemoteKeys {
  readonly player: Player;
  readonly root: RefObject<HTMLElement | null>;
  readonly tv: boolean;
  readonly onLeave: () => void;
  /** Told of the place to which a key has moved the film. */
  readonly sought: RefObject<(seconds: number) => void>;
}

const leavingKeys = new Set(["GoBack", "BrowserBack", "XF86Back", "Backspace"]);
const buttons =
  "button, a, [role^='menuitem'], media-play-button, media-seek-backward-button, media-seek-forward-button, media-mute-button, media-pip-button, media-fullscreen-button";

/** Keys of a keyboard and of a remote control, unless a menu or a dialog has them. */
export function useRemoteKeys({ player, root, tv, onLeave, sought }: RemoteKeys): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
      const { phase } = player.state();
      if (phase === "dark") return;
      if (phase === "failed") {
        if (whenFailed(event.key)) event.preventDefault();
        return;
      }
      const target = event.target instanceof HTMLElement ? event.target : document.body;
      if (target.closest("[role='menu'], [role='dialog'], dialog, input, textarea") !== null) return;
      if (act(event, target)) event.preventDefault();
    };

    const whenFailed = (key: string): boolean => {
      if (tv && root.current !== null && moveFocus(root.current, key)) return true;
      if (key !== "Escape" && !leavingKeys.has(key)) return false;
      onLeave();
      return true;
    };
    const act = (event: KeyboardEvent, target: HTMLElement): boolean => {
      const video = root.current?.querySelector("video");
      if (video == null) return false;
      const onButton = target.closest(buttons) !== null;
      // Keys move no pointer: the controls have to be told that somebody is there.
      root.current?.querySelector("media-controller")?.removeAttribute("userinactive");
      const skip = (seconds: number): true => {
        player.seekBy(seconds);
        sought.current(video.currentTime);
        return true;
      };
      switch (event.key) {
        case " ":
        case "Enter":
          if (onButton) return false;
          player.playOrPause();
          return true;
        case "k":
        case "MediaPlayPause":
        case "MediaPlay":
        case "MediaPause":
          player.playOrPause();
          return true;
        case "ArrowLeft":
        case "ArrowRight":
          if (tv && onButton) return moveInBar(event.key);
          return skip(event.key === "ArrowLeft" ? -skipSeconds : skipSeconds);
        case "MediaRewind":
        case "j":
          return skip(-skipSeconds);
        case "MediaFastForward":
        case "l":
          return skip(skipSeconds);
        case "ArrowUp":
        case "ArrowDown":
          if (tv) return moveInBar(event.key);
          video.volume = Math.min(1, Math.max(0, video.volume + (event.key === "ArrowUp" ? volumeStep : -volumeStep)));
          return true;
        case "f":
          if (document.fullscreenElement === null) void root.current?.requestFullscreen().catch(() => undefined);
          else void document.exitFullscreen().catch(() => undefined);
          return true;
        case "c":
          player.toggleSubtitle();
          return true;
        case "m":
          video.muted = !video.muted;
          return true;
        case "Escape":
          if (document.fullscreenElement !== null) return false;
          onLeave();
          return true;
        default:
          if (!leavingKeys.has(event.key)) return false;
          onLeave();
          return true;
      }
    };
    const moveInBar = (key: string): boolean => {
      const bar = root.current?.querySelector<HTMLElement>("media-controller");
      if (bar == null) return false;
      if (bar.contains(document.activeElement)) return moveFocus(bar, key);
      // From the picture to the controls: what is wanted first is pause, not the way out.
      bar.querySelector<HTMLElement>("media-play-button")?.focus();
      return true;
    };

    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [player, root, tv, onLeave, sought]);
}
