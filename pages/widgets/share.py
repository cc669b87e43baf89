"""A button that copies a text, such as the share link."""

from __future__ import annotations

import streamlit as st

_CSS = """
button { width: 100%; min-height: 2rem; padding: 0 0.6rem; white-space: nowrap; cursor: pointer; font: inherit;
  font-size: 0.875rem; color: inherit; background: var(--st-background-color); border: 1px solid var(--st-border-color);
  border-radius: var(--st-button-radius); }
button:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
button:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 1px; }
"""

_JS = """
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Browsers refuse the clipboard without https; the old way still works there.
    const area = document.createElement("textarea");
    area.value = text;
    area.style.cssText = "position:fixed;opacity:0";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

export default function ({ data, parentElement }) {
  const button = parentElement.querySelector("button");
  const announcement = parentElement.querySelector("span");
  button.firstChild.textContent = data.label;
  button.title = data.text;
  button.onclick = async () => {
    button.firstChild.textContent = announcement.textContent = (await copy(data.text)) ? "Copied" : "Copy failed";
    setTimeout(() => { button.firstChild.textContent = data.label; announcement.textContent = ""; }, 1600);
  };
}
"""

_HTML = (
    '<button type="button">Copy</button>'
    '<span role="status" style="position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden"></span>'
)

_component = st.components.v2.component("trainscope_copy", html=_HTML, css=_CSS, js=_JS)


def copy_button(label: str, text: str, key: str) -> None:
    """Draws a button that copies `text` to the clipboard and announces it."""
    _component(data={"label": label, "text": text}, key=key, width="content")
