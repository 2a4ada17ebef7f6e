import type { Plugin } from "vite";

const fill = "virtual:fill-shadow-root";

/**
 * media-chrome writes `<style>` elements into its shadow roots, which `style-src 'self'` refuses (and rightly: the policy
 * cannot tell them from injected ones). This turns each of them into a constructed style sheet while bundling, so the
 * policy needs no exception. A release that writes its roots in another way stops the build instead of losing its style.
 */
export function mediaChromeWithoutInlineStyle(): Plugin {
  return {
    name: "media-chrome-without-inline-style",
    enforce: "pre",
    resolveId: (id) => (id === fill ? `\0${fill}` : undefined),
    load: (id) => (id === `\0${fill}` ? fillSource : undefined),
    transform(code, id) {
      if (!/[\\/]media-chrome[\\/]dist[\\/]/.test(id)) return undefined;
      let changed = code
        .replace(
          "this.shadowRoot.setHTMLUnsafe ? this.shadowRoot.setHTMLUnsafe(html) : this.shadowRoot.innerHTML = html;",
          "fillShadowRoot(this.shadowRoot, html);",
        )
        .replace(/this\.shadowRoot\.innerHTML = (.+);/g, "fillShadowRoot(this.shadowRoot, $1);");
      if (id.includes("element-utils")) {
        changed = changed
          .replace("function getCSSRule(styleParent, predicate) {", "$& return findRule(styleParent, predicate);")
          .replace(
            "function insertCSSRule(styleParent, selectorText) {",
            "$& return addRule(styleParent, selectorText);",
          );
        if (!changed.includes("return findRule") || !changed.includes("return addRule")) {
          this.error("media-chrome changed how it writes rules: see build/media-chrome-without-inline-style.ts");
        }
      }
      if (/shadowRoot\??\.(innerHTML =|setHTMLUnsafe\()/.test(changed)) {
        this.error(`media-chrome changed how it fills ${id}: see build/media-chrome-without-inline-style.ts`);
      }
      if (changed === code) return undefined;
      return { code: `import { fillShadowRoot, findRule, addRule } from "${fill}";\n${changed}`, map: null };
    },
  };
}

const fillSource = `
export function fillShadowRoot(root, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const sheets = [];
  for (const style of template.content.querySelectorAll("style")) {
    const sheet = new CSSStyleSheet({ media: style.getAttribute("media") ?? "" });
    sheet.replaceSync(style.textContent);
    sheets.push(sheet);
    style.remove();
  }
  root.adoptedStyleSheets = sheets;
  root.replaceChildren(template.content);
}
const sheetsOf = (parent) => (parent.adoptedStyleSheets ?? []).filter((sheet) => sheet.media.length === 0);
export function findRule(parent, predicate) {
  for (const sheet of sheetsOf(parent)) {
    for (const rule of sheet.cssRules) if (predicate(rule.selectorText)) return rule;
  }
  return undefined;
}
export function addRule(parent, selectorText) {
  let sheet = sheetsOf(parent).at(-1);
  if (sheet === undefined) {
    sheet = new CSSStyleSheet();
    if ("adoptedStyleSheets" in parent) parent.adoptedStyleSheets = [...parent.adoptedStyleSheets, sheet];
  }
  return sheet.cssRules[sheet.insertRule(selectorText + "{}", sheet.cssRules.length)];
}
`;
