// Answers are Markdown with HTML in it. Of that, what Markdown itself makes is kept: nothing in an answer is a control,
// carries a name that the page's scripts look for, or looks as the page does.
(() => {
  const WRITTEN = ".md.chatbot";
  // Formulas and code in colour are drawn by libraries, which need their classes and lengths.
  const DRAWN = ".katex, .code_wrap";
  const ELEMENTS = new Set(
    ("A ABBR B BIG BLOCKQUOTE BR CAPTION CENTER CITE CODE COL COLGROUP DD DEL DETAILS DFN DIV DL DT EM FIGCAPTION FIGURE " +
      "FONT H1 H2 H3 H4 H5 H6 HR I IMG INS KBD LI MARK OL P PRE Q RP RT RUBY S SAMP SMALL SPAN STRIKE STRONG SUB SUMMARY " +
      "SUP TABLE TBODY TD TFOOT TH THEAD TIME TR TT U UL VAR WBR").split(" "),
  );
  const ATTRIBUTES = new Set(
    "align alt checked cite colspan datetime dir disabled height href lang open rel rowspan src start target title type width".split(" "),
  );
  const NEVER = /^(id|name|for|form.*|tabindex|accesskey|contenteditable|autofocus|popover.*|slot|part|role|aria-(?!hidden).*|data-.*)$/;

  function isKept(element) {
    const { tagName, parentElement } = element;
    if (element.closest(DRAWN) && !(element instanceof HTMLElement)) return true;
    if (tagName === "INPUT") return element.matches("[type=checkbox][disabled]") && parentElement.tagName === "LI";
    if (tagName === "BUTTON") return element.matches(".code_wrap > .copy_code_button");
    return ELEMENTS.has(tagName);
  }

  function clean(element) {
    if (!isKept(element)) {
      element.replaceWith(...element.childNodes);
      return;
    }
    const isDrawn = element.closest(DRAWN);
    element.style?.removeProperty("position");
    for (const { name } of [...element.attributes]) {
      if (isDrawn ? NEVER.test(name) : !ATTRIBUTES.has(name)) element.removeAttribute(name);
    }
  }

  // Before anything is drawn, and before another script runs.
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) {
        if (node.nodeType !== Node.ELEMENT_NODE || !node.isConnected) continue;
        if (node.parentElement?.closest(WRITTEN)) [node, ...node.querySelectorAll("*")].forEach(clean);
        else node.querySelectorAll(`${WRITTEN} *`).forEach(clean);
      }
    }
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
