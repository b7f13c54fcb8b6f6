/*
 * Light or dark. A classic script in the head, so that the choice stands before the first paint.
 *
 * The page follows the system until somebody says otherwise. Choosing what the system says anyway means following it again, so that there is no third state to explain.
 */
(() => {
  const KEY = "tabmind.theme";
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;

  function stored() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage can be forbidden; the toggle then lasts as long as the page
    }
  }

  function store(/** @type {string | null} */ theme) {
    try {
      if (theme) localStorage.setItem(KEY, theme);
      else localStorage.removeItem(KEY);
    } catch {
      // as above
    }
  }

  const first = stored();
  if (first === "light" || first === "dark") root.dataset.theme = first;

  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : systemIsDark.matches);

  addEventListener("DOMContentLoaded", () => {
    const toggle = document.getElementById("theme-toggle");
    if (!toggle) return;
    // The button names what a press gives, which needs no icon and no pressed state.
    const label = () => {
      toggle.textContent = isDark() ? "Light" : "Dark";
      toggle.setAttribute("aria-label", isDark() ? "Switch to the light theme" : "Switch to the dark theme");
    };
    toggle.addEventListener("click", () => {
      const next = isDark() ? "light" : "dark";
      const followsSystem = (next === "dark") === systemIsDark.matches;
      if (followsSystem) delete root.dataset.theme;
      else root.dataset.theme = next;
      store(followsSystem ? null : next);
      label();
    });
    systemIsDark.addEventListener("change", label);
    label();
  });
})();
