/** A ref for what is said below the fields of a form: whoever sent it by Enter may not see that part of the page. */
export const bringIntoView = (element: HTMLElement | null): void => element?.scrollIntoView({ block: "nearest" });
