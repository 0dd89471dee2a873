// Keeps the count fresh while the page is in view. The page is whole without it.
const tally = document.querySelector("[data-count]");

if (tally) {
  const language = document.documentElement.lang;
  const numbers = new Intl.NumberFormat(language);
  const plurals = new Intl.PluralRules(language);
  const figure = tally.querySelector("[data-figure]");
  const goal = tally.querySelector("[data-goal]");
  const said = tally.querySelector("[data-said]");
  const aim = tally.querySelector("[data-ahead]");
  const bar = tally.querySelector("progress");
  let last = bar.value;
  let pause = 5000;

  // Puts a number, which keeps its element, into another sentence.
  const reword = (place, sentence, number) => {
    const [before, after = ""] = sentence.split("{n}");
    place.replaceChildren(before, number, after);
  };

  const show = (now) => {
    if (said && plurals.select(now.count) !== plurals.select(last)) {
      reword(said, tally.dataset[plurals.select(now.count) === "one" ? "one" : "other"], figure);
    }
    if (aim) reword(aim, now.count < now.goal ? aim.dataset.ahead : aim.dataset.reached, goal);
    last = now.count;
    figure.textContent = numbers.format(now.count);
    if (goal) goal.textContent = numbers.format(now.goal);
    bar.max = now.goal;
    bar.value = Math.min(now.count, now.goal);
    bar.setAttribute("aria-valuetext", `${numbers.format(now.count)} / ${numbers.format(now.goal)}`);
    const few = tally.querySelector("[data-few]");
    if (few) few.hidden = now.count > 0;
  };

  const look = async () => {
    if (document.visibilityState === "visible") {
      try {
        const answer = await fetch(tally.dataset.count);
        if (answer.ok) {
          const now = await answer.json();
          if (now.count !== last) show(now);
          pause = 5000;
        } else {
          pause = Math.min(pause * 2, 60000);
        }
      } catch {
        // Out of reach: ask less often, so that a tired server can rest.
        pause = Math.min(pause * 2, 60000);
      }
    }
    setTimeout(look, pause);
  };

  setTimeout(look, pause);
}
