// Solves the small sum of a form that is checked (SHA-256, ALTCHA's first protocol). Without it the form has another way.
const field = document.querySelector("[data-challenge]");
const status = document.querySelector("[data-proof]");

const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");

if (field && globalThis.crypto?.subtle) {
  const { algorithm, challenge, salt, signature, most } = JSON.parse(field.dataset.challenge);
  const text = new TextEncoder();
  const button = field.form.querySelector("button[type=submit]:not([name])");
  const hash = (number) => crypto.subtle.digest("SHA-256", text.encode(`${salt}${number}`));

  const solve = async () => {
    const step = 500;
    for (let from = 0; from <= most; from += step) {
      const numbers = Array.from({ length: step }, (_, n) => from + n);
      const found = (await Promise.all(numbers.map(hash))).findIndex((bytes) => hex(bytes) === challenge);
      if (found >= 0) return from + found;
    }
    return null;
  };

  button.disabled = true;
  status.textContent = status.dataset.busy;
  const number = await solve();
  if (number !== null) field.value = btoa(JSON.stringify({ algorithm, challenge, number, salt, signature }));
  button.disabled = false;
  status.textContent = status.dataset.done;
}
