// Leaves a discreet page at once: by the link, or by pressing Escape three times within two seconds.
const link = document.querySelector("[data-leave]");

function leave() {
  document.documentElement.hidden = true;
  document.title = " ";
  location.replace(link.href);
}

if (link) {
  let presses = [];
  link.addEventListener("click", (event) => {
    event.preventDefault();
    leave();
  });
  window.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") {
      presses = [];
      return;
    }
    const now = Date.now();
    presses = [...presses.filter((then) => now - then < 2000), now];
    if (presses.length >= 3) leave();
  });
}
