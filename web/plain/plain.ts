/*
 * The only script of the server-rendered pages. Everything here is a convenience: each page is complete without it.
 */
import "./plain.css";
import { within } from "./limit.ts";
import { mayOfferPasskey, offerPasskey } from "./passkey.ts";

/** Adds a "Show" button to password fields marked `data-reveal`, labelled by that attribute: "Show|Hide". */
function addReveal(input: HTMLInputElement): void {
  const [show = "Show", hide = "Hide"] = (input.dataset["reveal"] ?? "").split("|");
  const frame = document.createElement("span");
  frame.className = "with-reveal";
  // Moving a field takes the focus away that a refused form has given it.
  const hadFocus = document.activeElement === input;
  input.replaceWith(frame);
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = show;
  button.setAttribute("aria-controls", input.id);
  button.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.textContent = shown ? hide : show;
  });
  frame.append(input, button);
  if (hadFocus) input.focus();
}

/** A second press while the first is under way is one press. The page coming back from the history starts anew. */
function sendOnce(form: HTMLFormElement): void {
  const buttons = () => form.querySelectorAll<HTMLButtonElement>("button[type=submit]");
  form.addEventListener("submit", (event) => {
    if (form.getAttribute("aria-busy") === "true") return event.preventDefault();
    form.setAttribute("aria-busy", "true");
    for (const button of buttons()) button.setAttribute("aria-busy", "true");
  });
  addEventListener("pageshow", () => {
    form.removeAttribute("aria-busy");
    for (const button of buttons()) button.removeAttribute("aria-busy");
  });
}

/** Takes the secret that came in the fragment, which no server log sees, and clears it from the address bar. */
function takeFragment(input: HTMLInputElement): void {
  const secret = location.hash.slice(1);
  if (secret === "") return;
  input.value = secret;
  // Nothing to type: what is left of the page is its button.
  const field = input.closest<HTMLElement>("[data-fragment-field]");
  if (field !== null) field.hidden = true;
  history.replaceState(null, "", location.pathname + location.search);
}

/** Carries the fragment through a form and its redirect, so that a scanned code survives signing in. */
function keepFragment(form: HTMLFormElement): void {
  const { hash } = location;
  if (hash !== "") form.action = form.getAttribute("action") + hash;
}

const remembered = (name: string) => `houselights.${name}`;

/** Remembers what was typed, in this tab only, for the next page to show. */
function remember(input: HTMLInputElement): void {
  input.form?.addEventListener("submit", () => {
    sessionStorage.setItem(remembered(input.dataset["remember"] ?? ""), input.value.trim());
  });
}

/** Shows what was remembered, for the eye and for the password manager; the field has no name and is never sent. */
function recall(field: HTMLElement): void {
  const value = sessionStorage.getItem(remembered(field.dataset["recall"] ?? ""));
  const input = field.querySelector("input");
  if (value === null || input === null) return;
  input.value = value;
  field.hidden = false;
}

/** Forgets it on a page that neither shows it nor leads to one that does. */
function forget(): void {
  if (document.querySelector("[data-recall], [data-remember], [data-line]") === null) {
    sessionStorage.removeItem(remembered("address"));
  }
}

/** Shows instants in the reader's own clock and language; without the script they are in UTC. */
function showLocally(time: HTMLTimeElement): void {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.getTime())) return;
  const { lang } = document.documentElement;
  // The page's language as the reader's own region writes it: day and month, 12 or 24 hours.
  const regional = navigator.languages.find((language) => language.split("-")[0] === lang) ?? lang;
  time.title = time.textContent;
  time.textContent = at.toLocaleString(regional, {
    day: "numeric",
    month: "long",
    year: "numeric",
    hour: "numeric",
    minute: "2-digit",
    timeZoneName: "short",
  });
}

/**
 * Moves a place in line on: asks for the same page in the background and takes its figures, so that the reader's place in
 * the page, the focus and what a screen reader says stay. When it is somebody's turn, goes there. A question that
 * finds nobody is asked again.
 */
function waitInLine(card: HTMLElement): void {
  const path = card.dataset["line"] ?? location.pathname;
  // A proxy may name a date in place of seconds.
  const askAgain = (seconds: number) =>
    setTimeout(() => void ask(), (Number.isNaN(seconds) ? 10 : Math.max(2, seconds)) * 1_000);
  const ask = async (): Promise<void> => {
    try {
      const answer = await fetch(path, { headers: { accept: "text/html" }, signal: within(20_000) });
      if (!answer.ok) return void askAgain(Number(answer.headers.get("retry-after") ?? 10));
      const next = new DOMParser()
        .parseFromString(await answer.text(), "text/html")
        .querySelector<HTMLElement>("[data-line]");
      if (next === null) return location.replace(path);
      for (const part of ["[data-line-number]", "[data-line-before]", "[data-line-expected]"]) {
        const [here, there] = [card.querySelector(part), next.querySelector(part)];
        if (here !== null && there !== null && here.textContent !== there.textContent)
          here.textContent = there.textContent;
      }
      askAgain(Number(next.dataset["comeBack"] ?? 5));
    } catch {
      askAgain(10);
    }
  };
  askAgain(Number(card.dataset["comeBack"] ?? 5));
}

document.querySelectorAll<HTMLElement>("[data-line]").forEach(waitInLine);
document.querySelectorAll<HTMLInputElement>("input[data-reveal]").forEach(addReveal);
document.querySelectorAll("form").forEach(sendOnce);
document.querySelectorAll<HTMLInputElement>("input[data-from-fragment]").forEach(takeFragment);
document.querySelectorAll<HTMLFormElement>("form[data-keep-fragment]").forEach(keepFragment);
document.querySelectorAll<HTMLInputElement>("input[data-remember]").forEach(remember);
document.querySelectorAll<HTMLElement>("[data-passkey]").forEach(offerPasskey);
document.querySelectorAll<HTMLInputElement>("input[data-offer-passkey]").forEach(mayOfferPasskey);
document.querySelectorAll<HTMLElement>("[data-recall]").forEach(recall);
forget();
document.querySelectorAll<HTMLTimeElement>("time[data-local]").forEach(showLocally);
