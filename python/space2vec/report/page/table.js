// The list of candidates, as a table or as a mosaic: only what is seen is in the document.
"use strict";

S2V.list = (() => {
  const ROW = 27, TILE_WIDTH = 274, TILE_HEIGHT = 124, MARGIN = 6;
  const state = { rows: [], selected: -1, mosaic: false, column: "score", descending: true };
  let box, space, head, columns, onSelect, onSort, shown = new Map(), planned = false;

  const element = (name, className, text) => {
    const node = document.createElement(name);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };

  const perLine = () => state.mosaic ? Math.max(1, Math.floor((box.clientWidth - 4) / TILE_WIDTH)) : 1;
  const lineHeight = () => state.mosaic ? TILE_HEIGHT : ROW;
  const lines = () => Math.ceil(state.rows.length / perLine());

  const start = (options) => {
    ({ columns, onSelect, onSort } = options);
    box = document.getElementById("rows");
    head = element("div", "row head");
    head.setAttribute("role", "row");
    for (const column of columns) {
      const button = element("button", column.numeric ? "number" : "", column.name);
      button.type = "button";
      button.title = `Sort by ${column.name}`;
      button.style.width = `${column.width}px`;
      button.setAttribute("role", "columnheader");
      button.addEventListener("click", () => onSort(column));
      head.append(button);
    }
    space = element("div", "space");
    space.setAttribute("role", "rowgroup");
    box.append(head, space);
    box.addEventListener("scroll", plan, { passive: true });
    new ResizeObserver(refresh).observe(box);
    space.addEventListener("click", (event) => {
      const found = event.target.closest("[data-place]");
      if (found) select(Number(found.dataset.place));
    });
  };

  const plan = () => {
    if (planned) return;
    planned = true;
    requestAnimationFrame(() => { planned = false; render(); });
  };

  /** Draw everything anew, as after a change of the rows or of the view. */
  const refresh = () => {
    for (const node of shown.values()) node.remove();
    shown = new Map();
    head.hidden = state.mosaic;
    head.style.display = state.mosaic ? "none" : "";
    space.style.height = `${lines() * lineHeight()}px`;
    const width = columns.reduce((sum, column) => sum + column.width, 0);
    space.style.width = state.mosaic ? "100%" : `${width}px`;
    head.style.width = `${width}px`;
    box.setAttribute("aria-rowcount", String(state.rows.length));
    [...head.children].forEach((button, k) => {
      const sorted = columns[k].name === state.column;
      button.setAttribute("aria-sort", sorted ? (state.descending ? "descending" : "ascending") : "none");
      button.textContent = columns[k].name + (sorted ? (state.descending ? " \u25bc" : " \u25b2") : "");
    });
    render();
  };

  const render = () => {
    const height = lineHeight(), across = perLine();
    const first = Math.max(0, Math.floor(box.scrollTop / height) - MARGIN);
    const last = Math.min(lines(), Math.ceil((box.scrollTop + box.clientHeight) / height) + MARGIN);
    const wanted = new Map();
    for (let place = first * across; place < Math.min(last * across, state.rows.length); place++) {
      wanted.set(place, shown.get(place) || (state.mosaic ? makeTile(place, across) : makeRow(place)));
    }
    for (const [place, node] of shown) if (!wanted.has(place)) node.remove();
    for (const [place, node] of wanted) {
      if (!node.isConnected) space.append(node);
      node.setAttribute("aria-selected", String(place === state.selected));
    }
    shown = wanted;
    const chosen = shown.get(state.selected);
    if (chosen) box.setAttribute("aria-activedescendant", chosen.id); else box.removeAttribute("aria-activedescendant");
  };

  const place = (node, number) => {
    node.dataset.place = String(number);
    node.id = `place-${number}`;
    node.setAttribute("role", "row");
    node.setAttribute("aria-rowindex", String(number + 1));
    return node;
  };

  const makeRow = (number) => {
    const row = state.rows[number], node = place(element("div", "row"), number);
    node.style.top = `${number * ROW}px`;
    for (const column of columns) {
      const text = column.text(row), cell = element("span", column.numeric ? "number" : "", text);
      cell.setAttribute("role", "gridcell");
      cell.style.width = `${column.width}px`;
      if (column.name === "label" && text) cell.classList.add(text);
      if (text.length > 14) cell.title = text;
      node.append(cell);
    }
    return node;
  };

  const makeTile = (number, across) => {
    const row = state.rows[number], node = place(element("div", "tile"), number);
    node.style.top = `${Math.floor(number / across) * TILE_HEIGHT}px`;
    node.style.left = `${(number % across) * TILE_WIDTH}px`;
    const cell = element("div");
    cell.setAttribute("role", "gridcell");
    const label = S2V.labels.of(row), score = S2V.night.score[row];
    const canvases = S2V.pixels.CHANNELS.map((channel) => {
      const canvas = element("canvas");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", channel);
      return canvas;
    });
    const stamps = element("div", "stamps");
    stamps.append(...canvases);
    cell.append(stamps, element("p", "", `${S2V.night.candidate[row] ?? "no id"}  ${S2V.night.object[row] ?? ""}`));
    const line = element("p", "", `${score === null ? "no score" : `P(real) ${score.toFixed(4)}`}  `);
    if (label) line.append(element("span", label, label));
    line.append(` ${S2V.flagsOf(row).join(" ")}`);
    cell.append(line);
    node.append(cell);
    if (S2V.night.hasStamps) {
      S2V.pixels.load(row).then(({ planes, centre }) => {
        if (node.isConnected) canvases.forEach((canvas, k) => S2V.pixels.draw(canvas, planes[k], centre, S2V.stretch(), 63));
      }, () => { line.append(" (stamps cannot be read)"); });
    }
    return node;
  };

  /** Select a place of the list, and scroll to it. */
  const select = (number) => {
    if (!state.rows.length) { state.selected = -1; onSelect(-1); return; }
    state.selected = Math.min(Math.max(number, 0), state.rows.length - 1);
    const height = lineHeight(), top = Math.floor(state.selected / perLine()) * height, lid = state.mosaic ? 0 : ROW;
    if (top < box.scrollTop) box.scrollTop = top;
    if (top + height + lid > box.scrollTop + box.clientHeight) box.scrollTop = top + height + lid - box.clientHeight;
    render();
    onSelect(state.rows[state.selected]);
  };

  /** Show other rows; the selected candidate stays selected if it is among them. */
  const show = (rows, keep) => {
    state.rows = rows;
    const at = keep === undefined ? -1 : rows.indexOf(keep);
    refresh();
    select(at < 0 ? 0 : at);
  };

  /** Draw the node of the selected candidate anew, as after a change of its label. */
  const update = () => {
    const node = shown.get(state.selected);
    if (node) { node.remove(); shown.delete(state.selected); }
    render();
  };

  const page = () => Math.max(1, Math.floor(box.clientHeight / lineHeight()) - 1) * perLine();

  return { state, start, show, select, refresh, update, page, perLine, element };
})();
