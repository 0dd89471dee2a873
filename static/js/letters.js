// Says how many characters are left, once the end comes near.
for (const area of document.querySelectorAll("[data-limit]")) {
  const limit = Number(area.dataset.limit);
  const numbers = new Intl.NumberFormat(document.documentElement.lang);
  const line = document.createElement("p");
  line.className = "hint";
  line.setAttribute("aria-live", "polite");
  area.after(line);
  const tell = () => {
    const left = limit - [...area.value].length;
    line.textContent = left < limit / 4 ? area.dataset.left.replace("{left}", numbers.format(left)) : "";
  };
  area.addEventListener("input", tell);
  tell();
}
