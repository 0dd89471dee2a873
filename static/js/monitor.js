// Keeps the monitor fresh while it is in view. The page is whole without it: there is a link to refresh.
const PAUSE = 5000;
const SLOWEST = 60000;
let pause = PAUSE;

const isBusy = (part) => part.contains(document.activeElement) || part.querySelector("details[open]") !== null;

const replace = (fresh) => {
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    // A part in which somebody types, or has opened something, is left alone.
    if (next && next.innerHTML !== part.innerHTML && !isBusy(part)) {
      part.replaceChildren(...next.childNodes);
    }
  }
  const tone = document.querySelector("[data-tone]");
  tone.className = fresh.querySelector("[data-tone]").className;
  document.title = fresh.title;
};

const look = async () => {
  if (document.visibilityState === "visible") {
    try {
      const answer = await fetch(location.pathname + location.search);
      if (answer.redirected) {
        // Signed out: the page as it is says so at the next press.
        return;
      }
      if (!answer.ok) throw new Error(String(answer.status));
      replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
      pause = PAUSE;
    } catch {
      // Out of reach: ask less often, so that a tired server can rest.
      pause = Math.min(pause * 2, SLOWEST);
    }
  }
  setTimeout(look, pause);
};

setTimeout(look, pause);
