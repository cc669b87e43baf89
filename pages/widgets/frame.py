"""What Streamlit's frame leaves open: the sidebar on a phone, and a link that skips it.

The sidebar is called Menu, and closes once a page is chosen from it: Streamlit closes it on devices that call themselves
phones, but not in narrow windows. Its link "Skip to main content", the first stop of the Tab key, leads to Start where
there is one.
"""

from __future__ import annotations

import streamlit as st

_JS = """
const NARROW = matchMedia("(max-width: 768px)"); // where Streamlit lays the sidebar over the page
const NAMES = { "Expand sidebar": "Menu", "Collapse sidebar": "Close menu" };
const SKIP = "[data-testid=stSkipToContent]";

const start = () => document.querySelector(".st-key-start button:enabled");

function rename() {
  for (const [name, better] of Object.entries(NAMES)) {
    document.querySelector(`button[aria-label="${name}"]`)?.setAttribute("aria-label", better);
  }
}

function close() {
  const sidebar = document.querySelector("[data-testid=stSidebar]");
  if (sidebar?.dataset.collapsed === "false") {
    sidebar.querySelector("[data-testid=stSidebarCollapseButton] button")?.click();
  }
}

export default function () {
  if (window.trainscopeFrame) return;
  window.trainscopeFrame = true;
  rename();
  for (const part of document.querySelectorAll("[data-testid=stHeader], [data-testid=stSidebarHeader]")) {
    new MutationObserver(rename).observe(part, { childList: true, subtree: true });
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-testid=stSidebarNavLink]");
    if (link && NARROW.matches) setTimeout(close); // by then Streamlit has closed it, where it does
    if (event.target.closest?.(SKIP)) setTimeout(() => start()?.focus()); // after Streamlit has focused the page
  });
  document.addEventListener("focusin", (event) => {
    if (event.target.matches(SKIP)) event.target.textContent = start() ? "Skip to Start" : "Skip to main content";
  });
}
"""

_component = st.components.v2.component("trainscope_frame", js=_JS)


def complete_frame() -> None:
    """Adds this to the frame. Draws nothing."""
    with st.container(key="frame"):
        _component(key="frame-script")
