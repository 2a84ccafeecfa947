// The console's own script: the live dot, countdowns, theme, keys. Every page works without it.
const one = (what, where = document) => where.querySelector(what);
const all = (what, where = document) => [...where.querySelectorAll(what)];
document.documentElement.classList.add("scripted");

// The live dot. The stream carries pointers only; each part of a page fetches itself.
const live = one("#live");
const say = (on, text) => {
  live.firstElementChild.classList.toggle("off", !on);
  live.lastElementChild.textContent = text;
};
live?.addEventListener("htmx:sse:after:connection", () => say(true, "Live"));
live?.addEventListener("htmx:sse:error", () => say(false, "Reconnecting"));
live?.addEventListener("htmx:sse:close", () => say(false, "Paused"));

// Countdowns: one timer for the page, on the server's clock. The server stays the judge of expiry.
const skew = Number(document.body.dataset.now || 0) - Date.now() / 1000;
const left = (seconds) => {
  const s = Math.max(0, Math.floor(seconds)), two = (n) => String(n).padStart(2, "0");
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} m`;
};
setInterval(() => {
  const now = Date.now() / 1000 + skew;
  for (const shown of all("[data-exp]")) {
    const rest = Number(shown.dataset.exp) - now, text = left(rest);
    if (shown.textContent !== text) shown.textContent = text;
    if (shown.classList.contains("ttl")) shown.classList.toggle("soon", rest < 900);
  }
}, 1000);

// A form is sent once: a double click or a held key never decides twice.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => all("form[data-sent]").forEach((form) => delete form.dataset.sent));

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.matches("[data-theme-toggle]")) {
    const root = document.documentElement, set = root.dataset.theme;
    const dark = set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* private window: not kept */ }
  }
  if (button?.matches("[data-keys]")) one("#keys").showModal();
});

let before = "", intent = "";
const places = { a: "/approvals", s: "/sessions", r: "/reviews", l: "/log", n: "/" };
document.addEventListener("keydown", (event) => {
  if (event.repeat) return;
  const chord = event.ctrlKey || event.metaKey, field = event.target.matches("input,textarea,select");
  if (chord && event.key.toLowerCase() === "k") { event.preventDefault(); one("#find")?.focus(); return; }
  if (field) {
    if (chord && event.key === "Enter" && event.target.id === "reason") {
      event.preventDefault();
      event.target.form.requestSubmit(one(intent === "no" ? "[data-no]" : ".go", event.target.form));
    }
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (chord || event.altKey || one("dialog[open]")) return;
  const key = event.key.toLowerCase();
  if (before === "g" && places[key]) { location.href = places[key]; return; }
  before = key;
  if (key === "j" || key === "k") {
    const rows = all("[data-row]"), at = rows.findIndex((row) => row.getAttribute("aria-current") === "true");
    rows[Math.min(rows.length - 1, Math.max(0, at + (key === "j" ? 1 : -1)))]?.click();
  } else if ((key === "a" || key === "d") && one("#reason")) {
    event.preventDefault();
    intent = key === "d" ? "no" : "go";
    one("#reason").focus();
  } else if (event.key === "?") one("#keys").showModal();
});
