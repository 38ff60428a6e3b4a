// Runs before the page is drawn, so that a chosen theme never flashes the other one.
"use strict";
(() => {
  const KEY = "tumorlens-theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const read = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const show = (theme) => {
    if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
  };
  show(read());
  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme")?.addEventListener("click", () => {
      const isDark = (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
      const theme = isDark ? "light" : "dark";
      // What the system says anyway is not kept, so that the page follows it again.
      const isSystem = (theme === "dark") === system.matches;
      try {
        if (isSystem) localStorage.removeItem(KEY); else localStorage.setItem(KEY, theme);
      } catch { /* kept for this page alone */ }
      show(isSystem ? null : theme);
    });
  });
})();
