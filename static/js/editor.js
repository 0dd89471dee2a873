// Live preview: what is written on one side shows on the other. The server renders it, so it looks as it will.
for (const editor of document.querySelectorAll("[data-editor]")) {
  const area = editor.querySelector("textarea");
  const looks = editor.querySelector("[data-looks]");
  const asks = "json" in area.dataset;
  let wait = 0;
  let last = null;

  const say = (words, kind) => {
    const lines = words.map((text) => {
      const line = document.createElement("p");
      line.className = kind;
      line.textContent = text;
      return line;
    });
    looks.replaceChildren(...lines);
  };

  const render = async () => {
    const body = area.value;
    if (body === last) return;
    last = body;
    if (!body.trim()) {
      say([looks.dataset.empty], "muted");
      return;
    }
    try {
      const answer = await fetch(editor.dataset.editor, {
        method: "POST",
        headers: { "X-CSRF-Token": editor.dataset.csrf },
        body: new URLSearchParams({ body }),
      });
      // Somebody who types on does not want to see what was.
      if (area.value !== body) return;
      if (answer.ok && asks) {
        looks.innerHTML = (await answer.json()).html;
      } else if (answer.ok && !answer.redirected) {
        looks.innerHTML = await answer.text();
      } else if (answer.status === 422) {
        say((await answer.json()).problems, "field-error");
      }
    } catch {
      // Out of reach: the next key press tries again, and saving says what is wrong.
      last = null;
    }
  };

  area.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(render, 400);
  });
  if (area.value.trim()) render();
}

for (const button of document.querySelectorAll("[data-without]")) button.hidden = true;
