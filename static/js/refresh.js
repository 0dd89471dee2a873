// Keeps the part of a page that moves up to date, and counts down. The page has a link that does the same.
const ID = "standing";
const numbers = new Intl.NumberFormat(document.documentElement.lang);

const count = () => {
  for (const place of document.querySelectorAll("[data-until]")) {
    const left = Math.max(Math.ceil((new Date(place.dataset.until) - Date.now()) / 1000), 0);
    place.textContent = place.dataset.left.replace("{n}", numbers.format(left));
  }
};

const look = async () => {
  const part = document.getElementById(ID);
  const seconds = Number(part?.dataset.refresh);
  if (!seconds) return;
  await new Promise((done) => setTimeout(done, seconds * 1000));
  // Who is on a button of this part keeps it.
  if (document.visibilityState === "visible" && !part.contains(document.activeElement)) {
    try {
      const answer = await fetch(location.href);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = fresh.getElementById(ID);
      if (answer.redirected || !next || fresh.title !== document.title) {
        location.reload();
        return;
      }
      if (answer.ok && next.innerHTML !== part.innerHTML) part.replaceWith(document.adoptNode(next));
      count();
    } catch {
      // Out of reach: look again later.
    }
  }
  look();
};

if (document.getElementById(ID)) {
  count();
  setInterval(count, 1000);
  look();
}
