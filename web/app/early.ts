// Runs before the frame is evaluated: the player's code travels while React starts, which is what the first picture waits for.
if (location.pathname.startsWith("/watch/")) void import("../player/watch-page.tsx");
