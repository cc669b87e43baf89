"""What Streamlit's frame leaves open: the sidebar on a phone, a link that skips it, and the knobs in the address.

The sidebar is called Menu, and closes once a page is chosen from it: Streamlit closes it on devices that call themselves
phones, but not in narrow windows. Its link "Skip to main content", the first stop of the Tab key, leads to Start where
there is one.

A widget that is bound to the address loses its binding when it moves, as knobs do to what a search finds: the front end
ends the binding of the old place after it has begun that of the new. So the address is compared after each run.
"""

from __future__ import annotations

from collections.abc import Mapping

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

function nameSkip(focused) {
  if (focused?.matches(SKIP)) focused.textContent = start() ? "Skip to Start" : "Skip to main content";
}

function close() {
  const sidebar = document.querySelector("[data-testid=stSidebar]");
  if (sidebar?.dataset.collapsed === "false") {
    sidebar.querySelector("[data-testid=stSidebarCollapseButton] button")?.click();
  }
}

let inAddress = {}; // parameter: text, as of the last call

function keepAddress(wanted) {
  const address = new URL(location.href);
  const parameters = address.searchParams;
  const before = String(parameters);
  for (const name of Object.keys(inAddress)) if (!(name in wanted)) parameters.delete(name);
  for (const [name, text] of Object.entries(wanted)) if (parameters.get(name) !== text) parameters.set(name, text);
  if (String(parameters) !== before) history.replaceState(history.state, "", address);
  inAddress = wanted;
}

export default function ({ data: [{ address }] }) {
  keepAddress(address);
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
  document.addEventListener("focusin", (event) => nameSkip(event.target));
  nameSkip(document.activeElement); // where somebody was faster than this script
}
"""

_component = st.components.v2.component("trainscope_frame", js=_JS)


def complete_frame(page: str, address: Mapping[str, str]) -> None:
    """Adds this to the frame of `page`, and keeps the parameters of `address`. Draws nothing."""
    with st.container(key="frame"):
        _component(key="frame-script", data=[{"page": page, "address": dict(address)}])
