// Keeps the card in view. One taller than the window is pinned by its lower end, so that its button can be reached.
const card = document.querySelector("[data-pin]");

if (card) {
  const place = () => {
    const margin = 24;
    const start = Math.min(margin, window.innerHeight - card.offsetHeight - margin);
    card.style.setProperty("--card-start", `${start}px`);
    card.classList.add("is-pinned");
  };
  new ResizeObserver(place).observe(card);
  window.addEventListener("resize", place);
  place();
}
