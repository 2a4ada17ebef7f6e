import { Fragment } from "react";

/** A command to be typed or copied: it goes on in the next line between words and never inside of one. */
export function Command({ children }: { readonly children: string }) {
  return (
    <pre className="command" tabIndex={0}>
      {children.split(" ").map((word, place) => (
        <Fragment key={place}>
          {place > 0 && " "}
          <span>{word}</span>
        </Fragment>
      ))}
    </pre>
  );
}
