// What the page does: it joins the list, the selected candidate, the charts and the labels.
"use strict";

(() => {
  const { night, list, labels, charts, pixels } = S2V;
  const { element } = list;
  const get = (id) => document.getElementById(id);
  const all = Array.from({ length: S2V.count() }, (_, row) => row);
  const columns = S2V.makeColumns();
  const status = get("status");
  let shown = all, selected = -1, blinking = null, skyPlanned = false, pending = 0, suggestion = -1;
  const done = []; // rows and the labels that they had before

  S2V.stretch = () => document.querySelector("input[name=stretch]:checked").value;

  const message = (text) => { status.textContent = text; };

  // The list.
  const filter = () => {
    let test;
    try {
      test = S2V.parseFilter(get("filter").value, columns);
    } catch (error) {
      get("filter").setAttribute("aria-invalid", "true");
      message(error.message);
      return;
    }
    get("filter").removeAttribute("aria-invalid");
    const column = columns.find((entry) => entry.name === list.state.column);
    shown = S2V.sortRows(all.filter(test), column, list.state.descending);
    list.show(shown, selected);
    message(`${shown.length} of ${all.length} candidates`);
    charts.drawHistogram(all, shown, addToFilter);
    charts.listFlags(shown, addToFilter);
    S2V.alike.listKinds(shown, addToFilter);
    drawSky();
  };

  const addToFilter = (condition) => {
    const name = condition.split(/[<>=:]/)[0];
    const kept = (get("filter").value.match(/(?:[^\s"]+|"[^"]*")+/g) || []).filter((word) => !word.startsWith(name));
    get("filter").value = [...kept, condition].join(" ");
    filter();
  };

  const sort = (column) => {
    const same = list.state.column === column.name;
    list.state.descending = same ? !list.state.descending : column.numeric;
    list.state.column = column.name;
    filter();
  };

  // The selected candidate.
  const show = (row) => {
    selected = row;
    stopBlinking();
    S2V.alike.show(row);
    const planes = get("planes"), facts = get("facts");
    planes.replaceChildren();
    facts.replaceChildren();
    for (const button of document.querySelectorAll("button[data-label]")) {
      button.setAttribute("aria-pressed", String(row >= 0 && labels.of(row) !== "" && button.dataset.label === labels.of(row)));
    }
    drawSky();
    if (row < 0) {
      get("name").textContent = "No candidate is selected";
      get("verdict").textContent = "";
      return;
    }
    get("name").textContent = night.candidate[row] ?? "a candidate without an id";
    const score = night.score[row];
    const verdict = score === null ? "no score" : `P(real) ${score.toFixed(4)}: ${score >= night.threshold ? "real" : "bogus"} at ${night.threshold}`;
    get("verdict").textContent = verdict;
    for (const text of S2V.problems.of(row)) facts.append(element("dt", "", "problem"), element("dd", "", text));
    for (const flag of night.flagNames) {
      if ((night.flags[row] >>> flag.bit) & 1) facts.append(element("dt", "", flag.name), element("dd", "", flag.meaning));
    }
    for (const column of columns) {
      const text = column.name === "score" || column.name === "flags" ? "" : column.text(row);
      if (text) facts.append(element("dt", "", column.name), element("dd", "", text));
    }
    drawPlanes(row);
  };

  const drawPlanes = (row) => {
    if (!night.hasStamps) return;
    pixels.load(row).then(({ planes, centre }) => {
      if (row !== selected || blinking) return;
      get("planes").replaceChildren(...planes.map((plane, k) => figure(plane, centre, pixels.CHANNELS[k])));
    }, (error) => message(error.message));
  };

  const figure = (plane, centre, channel) => {
    const node = element("figure"), canvas = element("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", plane ? `${channel} stamp, ${plane.height} by ${plane.width} pixels` : `no ${channel} stamp`);
    pixels.draw(canvas, plane, centre, S2V.stretch(), 420);
    node.append(canvas, element("figcaption", "", plane ? channel : `${channel} (missing)`));
    return node;
  };

  const stopBlinking = () => {
    clearInterval(blinking);
    blinking = null;
    get("planes").classList.remove("blinking");
    get("blink").setAttribute("aria-pressed", "false");
  };

  const blink = () => {
    const row = selected;
    if (blinking || row < 0 || !night.hasStamps) { stopBlinking(); if (row >= 0) drawPlanes(row); return; }
    blinking = setInterval(() => {}, 1e9); // taken at once, so that a second key stops it
    pixels.load(row).then(({ planes, centre }) => {
      if (!blinking || row !== selected) return;
      clearInterval(blinking);
      let turn = 0;
      const next = () => {
        const k = turn++ % 2;
        get("planes").replaceChildren(figure(planes[k], centre, pixels.CHANNELS[k]));
      };
      get("planes").classList.add("blinking");
      get("blink").setAttribute("aria-pressed", "true");
      next();
      blinking = setInterval(next, 600);
    }, (error) => { stopBlinking(); message(error.message); });
  };

  const label = (name) => {
    if (selected < 0) return;
    const before = labels.of(selected);
    if (!labels.set(selected, name)) { message("this candidate has no id: a file of labels cannot name it"); return; }
    done.push([selected, before]);
    list.update();
    if (!name) show(selected);
    else if (selected === suggestion) selectUseful();
    else list.select(list.state.selected + 1);
  };

  /** Take back the last change of a label, and select its candidate. */
  const undo = () => {
    if (!done.length) { message("there is no label to take back"); return; }
    const [row, before] = done.pop();
    labels.set(row, before);
    selectRow(row);
    list.update();
    show(row);
    message(`the last label is taken back: ${before || "no label"}`);
  };

  /** Select the candidate whose label is worth most to training. */
  const selectUseful = () => {
    const row = night.suggested.find((entry) => night.candidate[entry] !== null && labels.of(entry) === "");
    if (row === undefined) { message(night.suggested.length ? "all suggested candidates are labelled" : "space2vec review suggests candidates"); return; }
    suggestion = row;
    selectRow(row);
  };

  /** Select a candidate; a filter that hides it is cleared. */
  const selectRow = (row) => {
    if (!shown.includes(row)) { get("filter").value = ""; filter(); }
    list.select(shown.indexOf(row));
    get("rows").focus();
  };

  const countLabels = () => {
    const n = labels.counts();
    const labelled = night.suggested.filter((row) => labels.of(row) !== "").length;
    const useful = night.suggested.length ? `; ${labelled} of the ${night.suggested.length} most useful` : "";
    get("labelled").textContent = `${n.real} real, ${n.bogus} bogus, ${n.unsure} unsure${useful}`;
  };

  const drawSky = () => {
    if (skyPlanned) return;
    skyPlanned = true;
    requestAnimationFrame(() => { skyPlanned = false; charts.drawSky(shown, selected); });
  };

  // Buttons and keys.
  const toggleView = () => {
    list.state.mosaic = !list.state.mosaic;
    get("view").setAttribute("aria-pressed", String(list.state.mosaic));
    list.refresh();
    list.select(list.state.selected);
  };

  const setTheme = (dark) => { document.documentElement.dataset.theme = dark ? "dark" : "light"; drawSky(); };

  const setStretch = (name) => {
    document.querySelector(`input[name=stretch][value=${name}]`).checked = true;
    const going = blinking !== null;
    stopBlinking();
    if (selected >= 0) { if (going) blink(); else drawPlanes(selected); }
    S2V.alike.show(selected);
    if (list.state.mosaic) list.refresh();
  };

  const save = () => {
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([labels.toCsv()], { type: "text/csv" }));
    link.download = "labels.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    message("labels.csv is saved");
  };

  const move = (by) => list.select(list.state.selected + by);
  const KEYS = {
    j: () => move(1), k: () => move(-1), r: () => label("real"), b: () => label("bogus"), u: () => label("unsure"), x: () => label(""), z: undo,
    " ": blink, m: toggleView, n: selectUseful, "/": () => get("filter").focus(), "?": () => get("keys").showModal(),
    1: () => setStretch("zscale"), 2: () => setStretch("linear"), 3: () => setStretch("asinh"),
    ArrowDown: () => move(list.perLine()), ArrowUp: () => move(-list.perLine()), ArrowRight: () => move(1), ArrowLeft: () => move(-1),
    PageDown: () => move(list.page()), PageUp: () => move(-list.page()), Home: () => list.select(0), End: () => list.select(Infinity),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || get("keys").open) return;
    const typing = event.target.matches("input[type=search], input[type=file], textarea");
    if (typing) {
      if (event.key === "Enter") { clearTimeout(pending); filter(); }
      if (event.key === "Enter" || event.key === "Escape") get("rows").focus();
      return;
    }
    const presses = event.target.matches("button, summary, a, [role=button], input");
    const action = KEYS[event.key];
    if (!action || (presses && (event.key === " " || event.key.startsWith("Arrow")))) return;
    event.preventDefault();
    action();
  });

  // Start.
  document.title = `${night.title}: space2vec report`;
  get("title").textContent = night.title;
  const scored = night.score.filter((score) => score !== null), real = scored.filter((score) => score >= night.threshold).length;
  get("summary").textContent =
    `${all.length} candidates, ${real} real and ${scored.length - real} bogus at ${night.threshold}, ${all.length - scored.length} without a score; ` +
    `model ${night.model || "unknown"}, space2vec ${night.version}`;
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
  labels.start();
  labels.onChange(countLabels);
  countLabels();
  list.start({ columns, onSelect: show, onSort: sort });
  S2V.problems.start(selectRow);
  S2V.alike.start(selectRow);
  filter();

  get("filter").addEventListener("input", () => { clearTimeout(pending); pending = setTimeout(filter, 150); });
  get("view").addEventListener("click", toggleView);
  get("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme !== "dark"));
  get("help").addEventListener("click", () => get("keys").showModal());
  get("useful").hidden = night.suggested.length === 0;
  get("useful").addEventListener("click", selectUseful);
  S2V.onLabelLost = (text) => { list.refresh(); show(selected); message(text); };
  get("blink").addEventListener("click", blink);
  get("undo").addEventListener("click", undo);
  get("save").addEventListener("click", save);
  get("stretch").addEventListener("change", () => setStretch(S2V.stretch()));
  for (const button of document.querySelectorAll("button[data-label]")) button.addEventListener("click", () => label(button.dataset.label));
  get("load").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    try {
      const { taken, strange } = labels.fromCsv(await file.text());
      message(`${taken} labels are loaded${strange ? `; ${strange} rows are of other candidates or have no label` : ""}`);
      list.refresh();
      show(selected);
    } catch (error) {
      message(error.message);
    }
    event.target.value = "";
  });
  get("sky").addEventListener("click", (event) => {
    const box = event.target.getBoundingClientRect();
    const row = charts.nearest((event.clientX - box.left) * event.target.width / box.width, (event.clientY - box.top) * event.target.height / box.height);
    if (row >= 0) list.select(shown.indexOf(row));
  });
  get("rows").focus();
})();
