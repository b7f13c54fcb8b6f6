// Tabs as the ARIA practices describe them: arrow keys move, only the chosen tab is in the tab order.

/**
 * @param {HTMLElement} list an element with role="tablist"
 * @param {(id: string) => void} [onSelect]
 * @returns {{ select: (id: string) => void, selected: () => string }}
 */
export function createTabs(list, onSelect) {
  const tabs = [...list.querySelectorAll('[role="tab"]')].filter((tab) => tab instanceof HTMLElement);

  /** @param {string} id */
  function select(id) {
    for (const tab of tabs) {
      const chosen = tab.id === id;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      const panel = document.getElementById(tab.getAttribute("aria-controls") ?? "");
      if (panel) panel.hidden = !chosen;
    }
    onSelect?.(id);
  }

  list.addEventListener("click", (event) => {
    const tab = event.target instanceof Element ? event.target.closest('[role="tab"]') : null;
    if (tab) select(tab.id);
  });
  list.addEventListener("keydown", (event) => {
    const at = tabs.findIndex((tab) => tab === document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    const next = to === undefined || at < 0 ? undefined : tabs[(to + tabs.length) % tabs.length];
    if (!next) return;
    event.preventDefault();
    select(next.id);
    next.focus();
  });

  return { select, selected: () => tabs.find((tab) => tab.getAttribute("aria-selected") === "true")?.id ?? "" };
}
