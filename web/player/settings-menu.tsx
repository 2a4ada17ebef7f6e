import { Menu } from "@base-ui/react/menu";
import { CSPProvider } from "@base-ui/react/csp-provider";
import type { KeyboardEvent, ReactNode, RefObject } from "react";
import { say, showDecimal, showPosition } from "../text/say.ts";
import type { Chapter } from "./chapters.ts";
import type { Level, Player, PlayerState } from "./player-store.ts";

const rates = [0.5, 0.75, 1, 1.25, 1.5, 2];

interface SettingsMenuProps {
  readonly player: Player;
  readonly state: PlayerState;
  readonly chapters: readonly Chapter[];
  /** The menu opens inside, so that it is there in full screen too, and in the page's main part. */
  readonly frame: RefObject<HTMLElement | null>;
}

/** Quality, audio, subtitles, speed, and the chapters to go to. Each group appears when there is something to choose. */
export default function SettingsMenu({ player, state, chapters, frame }: SettingsMenuProps) {
  const shown = state.levels[state.shownLevel];
  const auto =
    state.chosenLevel === -1 && shown !== undefined
      ? say("player.auto-now", { level: say("player.level", { height: String(shown.height) }) })
      : say("player.auto");
  return (
    <CSPProvider disableStyleElements>
      <Menu.Root modal={false}>
        <Menu.Trigger className="settings-button" aria-label={say("player.settings")}>
          <svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
            <path
              fill="currentColor"
              d="M4 6h8.2a3 3 0 0 1 5.6 0H20v2h-2.2a3 3 0 0 1-5.6 0H4zm11-.5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3M4 16h2.2a3 3 0 0 1 5.6 0H20v2h-8.2a3 3 0 0 1-5.6 0H4zm5-.5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3"
            />
          </svg>
        </Menu.Trigger>
        <Menu.Portal container={frame}>
          <Menu.Positioner className="settings-place" side="top" align="end" sideOffset={44} collisionPadding={12}>
            <Menu.Popup className="settings-menu" onKeyDown={toOtherGroup}>
              {state.levels.length > 1 && (
                <Group
                  heading={say("player.quality")}
                  value={state.chosenLevel}
                  onChange={player.setLevel}
                  options={[
                    { value: -1, label: auto },
                    ...state.levels
                      .toReversed()
                      .map((level) => ({ value: level.index, label: levelName(level, state.levels) })),
                  ]}
                />
              )}
              {state.audio.length > 1 && (
                <Group
                  heading={say("player.audio")}
                  value={state.audioTrack}
                  onChange={player.setAudio}
                  options={state.audio.map(({ index, name }) => ({ value: index, label: name }))}
                />
              )}
              {state.subtitles.length > 0 && (
                <Group
                  heading={say("player.subtitles")}
                  value={state.subtitleTrack}
                  onChange={player.setSubtitle}
                  options={[
                    { value: -1, label: say("player.off") },
                    ...state.subtitles.map(({ index, name }) => ({ value: index, label: name })),
                  ]}
                />
              )}
              <Group
                heading={say("player.speed")}
                value={state.rate}
                onChange={player.setRate}
                options={rates.map((rate) => ({
                  value: rate,
                  label: rate === 1 ? say("player.normal") : `${showDecimal(rate)}×`,
                }))}
              />
              {chapters.length > 1 && (
                <Menu.Group className="settings-group">
                  <Menu.GroupLabel className="settings-heading">{say("title.chapters")}</Menu.GroupLabel>
                  {chapters.map(({ startSeconds, name }) => (
                    <Menu.Item
                      key={startSeconds}
                      className="settings-chapter"
                      onClick={() => player.seekTo(startSeconds)}
                    >
                      <span>{name}</span> <span>{showPosition(startSeconds)}</span>
                    </Menu.Item>
                  ))}
                </Menu.Group>
              )}
            </Menu.Popup>
          </Menu.Positioner>
        </Menu.Portal>
      </Menu.Root>
    </CSPProvider>
  );
}

/** Left and right lead from group to group, to what is chosen there: with a remote it is far from the first option to the last. */
function toOtherGroup(event: KeyboardEvent<HTMLDivElement>): void {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step === undefined) return;
  const groups = [...event.currentTarget.querySelectorAll(".settings-group")];
  const here = groups.findIndex((group) => group.contains(document.activeElement));
  const there = groups[here + step];
  const options = there?.querySelectorAll<HTMLElement>("[role^=menuitem]") ?? [];
  const wanted = [...options].find((one) => one.ariaChecked === "true") ?? options[0];
  if (here === -1 || wanted === undefined) return;
  event.preventDefault();
  wanted.focus();
}

function levelName(level: Level, all: readonly Level[]): string {
  const height = String(level.height);
  const alone = all.every((other) => other === level || other.height !== level.height);
  if (alone) return say("player.level", { height });
  return say("player.level-rate", { height, rate: showDecimal(Math.round(level.bitrateBps / 1e5) / 10) });
}

interface GroupProps {
  readonly heading: string;
  readonly value: number;
  readonly onChange: (value: number) => void;
  readonly options: readonly { readonly value: number; readonly label: string }[];
}

function Group({ heading, value, onChange, options }: GroupProps): ReactNode {
  return (
    <Menu.Group className="settings-group">
      <Menu.GroupLabel className="settings-heading">{heading}</Menu.GroupLabel>
      <Menu.RadioGroup value={value} onValueChange={(chosen: number) => onChange(chosen)}>
        {options.map((option) => (
          <Menu.RadioItem key={option.value} value={option.value} className="settings-option" closeOnClick={false}>
            <Menu.RadioItemIndicator className="settings-mark">✓</Menu.RadioItemIndicator>
            <span>{option.label}</span>
          </Menu.RadioItem>
        ))}
      </Menu.RadioGroup>
    </Menu.Group>
  );
}
