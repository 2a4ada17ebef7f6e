import { useEffect, useId, useRef, useState, type ReactNode } from "react";

interface DialogProps {
  readonly title: string;
  readonly children: ReactNode;
  readonly onClose: () => void;
  /** A dangerous act: Escape and the backdrop still leave it, the frame says that it is one. */
  readonly alarm?: boolean;
  readonly wide?: boolean;
  /**
   * Says something final that is said once: neither a sign-in that ends meanwhile nor a press beside the dialog takes it away before
   * it is read.
   */
  readonly stays?: boolean;
}

/** The platform's modal dialog: focus stays inside, Escape closes, focus returns. Mount it to open it. */
export function Dialog({ title, children, onClose, alarm = false, wide = false, stays = false }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const pressedOutside = useRef(false);
  // Noted before anything inside takes the focus by itself: the platform would give it back to that.
  const [opener] = useState(() => document.activeElement);
  useEffect(() => {
    const element = dialog.current;
    if (element !== null && !element.open) element.showModal();
    // showModal() focuses the first control, which may stand below the words that are to be read before it.
    if (stays && element !== null) {
      element.focus();
      element.scrollTop = 0;
    }
    return () => {
      element?.close();
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, [opener, stays]);
  // A step that removes what had the focus drops it on the body: it is taken back, so that keys do not go to the page behind.
  useEffect(() => {
    if (document.activeElement === document.body) dialog.current?.focus();
  });
  return (
    <dialog
      ref={dialog}
      tabIndex={-1}
      className={`dialog${alarm ? " is-alarm" : ""}${wide ? " is-wide" : ""}`}
      aria-labelledby={heading}
      data-stays={stays ? "" : undefined}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onPointerDown={(event) => {
        pressedOutside.current = event.target === dialog.current;
      }}
      onClick={(event) => {
        // Words that are marked with the pointer may end on the backdrop. Only a press that began there is a wish to leave.
        if (!stays && pressedOutside.current && event.target === dialog.current) onClose();
      }}
    >
      <div className="dialog-inside">
        <h2 id={heading}>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}
