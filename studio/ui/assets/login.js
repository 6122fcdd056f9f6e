// The login page: in the studio's language, where one was chosen, and patient where it must wait.
(() => {
  const KEY = "studio-language";

  function speak(language) {
    document.documentElement.lang = language;
  }

  const kept = localStorage.getItem(KEY);
  if (kept === "zh" || kept === "en") speak(kept);
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => {
      localStorage.setItem(KEY, button.dataset.language);
      speak(button.dataset.language);
    });
  }

  const told = document.getElementById("told");
  const seconds = Number(told?.dataset.seconds || 0);
  if (seconds > 0) {
    const send = document.querySelector("form button");
    send.disabled = true;
    setTimeout(() => {
      send.disabled = false;
      told.remove();
    }, seconds * 1000);
  }
})();
