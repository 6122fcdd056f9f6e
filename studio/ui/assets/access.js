// Where a password is set: a way out at the top of the page, and back to the login once the session is over.
(() => {
  const CHECK_MS = 60000;

  async function ask() {
    const answer = await fetch("studio/session").catch(() => null);
    if (answer?.status === 401) location.reload();
    return answer?.ok ? answer.json() : null;
  }

  function leave() {
    const form = document.createElement("form");
    Object.assign(form, { method: "post", action: "studio/logout" });
    document.body.append(form);
    form.submit();
  }

  function build(words) {
    const button = document.createElement("button");
    Object.assign(button, { id: "page-logout", type: "button" });
    for (const [language, word] of Object.entries(words)) {
      const part = document.createElement("span");
      Object.assign(part, { lang: language, textContent: word });
      button.append(part);
    }
    button.addEventListener("click", leave);
    return button;
  }

  async function begin() {
    document.addEventListener("visibilitychange", () => document.hidden || ask());
    const told = await ask();
    if (!told?.password) return;
    const button = build(told.words);
    // Gradio draws its page late, and may draw it again.
    const place = () => {
      // What was chosen here; the document's own language is the browser's until then.
      const language = window.studio.language();
      if (button.dataset.language !== language) button.dataset.language = language;
      const header = document.getElementById("page-header");
      if (header && !button.isConnected) header.append(button);
    };
    place();
    new MutationObserver(place).observe(document.body, { childList: true, subtree: true });
    setInterval(() => document.hidden || ask(), CHECK_MS);
  }

  begin();
})();
