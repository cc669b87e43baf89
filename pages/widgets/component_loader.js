// The only script that Streamlit sends with each rerun: it loads the real one, once per tab, and hands over.

/**
 * Returns the address that Streamlit's own scripts came from: it is right behind any proxy and with any base path.
 * @param {string} path The base path, for a page that has no such script.
 */
function serverBase(path) {
  const script = document.querySelector('script[src*="/static/js/"]');
  const address = script instanceof HTMLScriptElement ? script.src : "";
  return address ? address.slice(0, address.indexOf("/static/js/")) : location.origin + path;
}

/**
 * What Streamlit calls on every rerun whose data differ. Returns the cleanup.
 * @param {{ data: [Record<string, string>], parentElement: Element & { trainscopeCall?: number } }} component Its data stand in
 *   a list: the values of a dictionary would be searched for data frames, which takes a cold server a third of a second.
 */
export default async function (component) {
  const {
    data: [data],
    parentElement: place,
  } = component;
  const base = serverBase(data.base);
  // A rerun while this still loads calls again, and the calls may be answered in any order: only the newest counts.
  const call = (place.trainscopeCall ?? 0) + 1;
  place.trainscopeCall = call;
  const { panels } = await import(`${base}/api/assets/${data.assets}/panels.js`);
  return place.trainscopeCall === call ? panels[data.module].mount({ ...component, data }, base) : undefined;
}
