// Shows times of day in the zone of the reader's browser.
for (const time of document.querySelectorAll("time[data-clock]")) {
  const format = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "numeric", minute: "2-digit" });
  time.textContent = format.format(new Date(time.dateTime));
}
