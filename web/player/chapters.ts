export interface Chapter {
  readonly startSeconds: number;
  readonly name: string;
}

/** Adds the chapters as a hidden text track, from which the time line draws its markers. */
export function addChapters(video: HTMLVideoElement, chapters: readonly Chapter[], durationSeconds: number): void {
  if (chapters.length < 2 || [...video.textTracks].some(({ kind }) => kind === "chapters")) return;
  const track = video.addTextTrack("chapters", "", "");
  track.mode = "hidden";
  chapters.forEach((chapter, place) => {
    const end = chapters[place + 1]?.startSeconds ?? durationSeconds;
    if (end > chapter.startSeconds) track.addCue(new VTTCue(chapter.startSeconds, end, chapter.name));
  });
}
