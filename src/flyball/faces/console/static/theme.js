// Before the first paint: the theme that was chosen last.
try { const kept = localStorage.getItem("theme"); if (kept) document.documentElement.dataset.theme = kept; } catch { /* private window */ }
