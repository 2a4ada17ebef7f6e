/** Where Enter sends, what is said under the fields may be below the screen. */
export const bringIntoView = (element: HTMLElement | null): void => element?.scrollIntoView({ block: "nearest" });
