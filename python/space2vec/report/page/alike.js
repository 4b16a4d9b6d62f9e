// Look-alikes of the selected candidate, and the kinds of the night.
"use strict";

S2V.alike = (() => {
  const WAIT = 120; // milliseconds on a candidate before its look-alikes are drawn: moving on stays smooth
  let planned = 0, onPick = () => {};

  const start = (pick) => {
    onPick = pick;
    document.getElementById("alikebox").hidden = !S2V.night.alike;
  };

  /** Show the look-alikes of a row. */
  const show = (row) => {
    const { alike } = S2V.night;
    if (!alike) return;
    clearTimeout(planned);
    const list = document.getElementById("alike");
    list.replaceChildren();
    if (row >= 0) planned = setTimeout(() => draw(list, row), WAIT);
  };

  const draw = (list, row) => {
    const { alike } = S2V.night, from = row * alike.each;
    const items = [];
    for (let k = from; k < from + alike.each; k++) if (alike.rows[k] >= 0) items.push(makeItem(alike.rows[k], alike.likeness[k] / 1000));
    document.getElementById("alikenone").hidden = items.length > 0;
    document.getElementById("alikewhat").hidden = items.length === 0;
    list.replaceChildren(...items);
  };

  const makeItem = (row, likeness) => {
    const { element } = S2V.list, { night } = S2V;
    const item = element("li"), button = element("button"), stamps = element("span", "stamps");
    const score = night.score[row], name = night.candidate[row] ?? "a candidate without an id";
    const label = S2V.labels.of(row);
    button.type = "button";
    button.title = `${name}: likeness ${likeness.toFixed(3)}, ${score === null ? "no score" : `P(real) ${score.toFixed(3)}`}`;
    button.setAttribute("aria-label", `Look-alike ${button.title}${label ? `, labelled ${label}` : ""}`);
    const canvases = night.hasStamps ? S2V.pixels.CHANNELS.map(() => element("canvas")) : [];
    for (const canvas of canvases) canvas.setAttribute("aria-hidden", "true");
    stamps.append(...canvases);
    const line = element("span", "", `${likeness.toFixed(2)}  ${score === null ? "no score" : score.toFixed(3)} `);
    if (label) line.append(element("span", label, label));
    button.append(stamps, line);
    button.addEventListener("click", () => onPick(row));
    item.append(button);
    if (night.hasStamps) {
      S2V.pixels.load(row).then(({ planes, centre }) => {
        if (item.isConnected) canvases.forEach((canvas, k) => S2V.pixels.draw(canvas, planes[k], centre, S2V.stretch(), 63));
      }, () => { line.append(" (stamps cannot be read)"); });
    }
    return item;
  };

  /** The condition of a filter that selects a kind; quotes in its name cannot be written in one. */
  const condition = (kind) => kind.includes('"') ? `kind:"${kind.split('"').sort((a, b) => b.length - a.length)[0]}"` : `kind="${kind}"`;

  /** List the kinds with the number of candidates of each, outliers first, then from the smallest up; a click filters. */
  const listKinds = (rows, pick) => {
    const column = S2V.night.columns.find((entry) => entry.name === "kind" && !entry.numeric);
    if (!S2V.night.hasKinds || !column) return;
    document.getElementById("kindbox").hidden = false;
    const { element } = S2V.list, counts = new Map();
    for (const row of rows) {
      const kind = column.values[row];
      if (kind !== null) counts.set(kind, (counts.get(kind) || 0) + 1);
    }
    const order = [...counts].sort(([a, n], [b, m]) => (b === "outlier") - (a === "outlier") || n - m || (a < b ? -1 : 1));
    document.getElementById("kinds").replaceChildren(...order.map(([kind, n]) => {
      const item = element("li"), button = element("button");
      button.type = "button";
      button.title = `Show ${kind} alone`;
      button.append(element("span", "", kind), element("span", "", String(n)));
      button.addEventListener("click", () => pick(condition(kind)));
      item.append(button);
      return item;
    }));
  };

  return { start, show, listKinds };
})();
