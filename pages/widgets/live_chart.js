// The only script that Streamlit sends with each rerun: it loads the real one, once per tab, and hands over.

function serverBase(data) {
  // The address that Streamlit's own scripts came from is right behind any proxy and with any base path.
  const own = document.querySelector('script[src*="/static/js/"]');
  return own ? own.src.slice(0, own.src.indexOf("/static/js/")) : location.origin + (data.base || "");
}

export default async function (component) {
  const base = serverBase(component.data);
  // A rerun while this still loads calls again, and the calls may be answered in any order: only the newest counts.
  const place = component.parentElement;
  const turn = (place.trainscopeTurn = (place.trainscopeTurn ?? 0) + 1);
  const { show } = await import(`${base}/api/assets/${component.data.assets}/${component.data.module ?? "panel"}.js`);
  return place.trainscopeTurn === turn ? show(component, base) : undefined;
}
