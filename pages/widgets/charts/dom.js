// Making elements. All text goes in as text, never as HTML.

/**
 * Returns a new element, at the end of `parent` where there is one.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string>} [attributes]
 * @param {Element | null} [parent]
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, parent = null) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent?.append(node);
  return node;
}

/**
 * Replace a list's entries by texts.
 * @param {Element} list
 * @param {string[]} texts
 */
export function listTexts(list, texts) {
  list.replaceChildren(...texts.map((text) => Object.assign(element("li"), { textContent: text })));
}

/**
 * Set a text only where it differs, so that a selection or a screen reader is not disturbed.
 * @param {Element} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
