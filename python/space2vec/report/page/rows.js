// The candidates as rows and columns: their values, their order, and the filter.
"use strict";

window.S2V = {};
window.s2vNight = (night) => { S2V.night = night; };

S2V.count = () => S2V.night.candidate.length;

/** The names of the flags of a row. */
S2V.flagsOf = (row) => S2V.night.flagNames.filter((flag) => (S2V.night.flags[row] >>> flag.bit) & 1).map((flag) => flag.name);

S2V.number = (value) => {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  // What a packet holds in single precision has no more than seven digits; a date or a position has more.
  const digits = Math.fround(value) === value ? 7 : 12;
  return Math.abs(value) >= 1e-4 && Math.abs(value) < 1e7 ? String(Number(value.toPrecision(digits))) : value.toExponential(4);
};

/** Make the columns: name, whether numeric, width in pixels, the value of a row (null where unknown) and its text. */
S2V.makeColumns = () => {
  const night = S2V.night;
  const column = (name, numeric, width, value, text) =>
    ({ name, numeric, width, value, text: text || ((row) => S2V.number(value(row))) });
  const extra = night.columns.map((c) => column(c.name, c.numeric, c.numeric ? 116 : 120, (row) => c.values[row]));
  return [
    column("candidate_id", false, 178, (row) => night.candidate[row]),
    column("object_id", false, 128, (row) => night.object[row]),
    column("score", true, 78, (row) => night.score[row], (row) => night.score[row] === null ? "none" : night.score[row].toFixed(4)),
    column("label", false, 70, (row) => S2V.labels.of(row)),
    column("flags", false, 150, (row) => S2V.flagsOf(row).join(" ")),
    ...extra,
  ];
};

/** Sort rows by a column: unknown values last, ties in the order of the night. */
S2V.sortRows = (rows, column, descending) => {
  const values = new Map(rows.map((row) => [row, column.value(row)]));
  const unknown = (value) => value === null || value === undefined || value === "";
  const order = descending ? -1 : 1;
  return rows.slice().sort((a, b) => {
    const x = values.get(a), y = values.get(b);
    if (unknown(x) || unknown(y)) return unknown(x) - unknown(y) || a - b;
    if (typeof x !== typeof y) return String(x) < String(y) ? -order : order;
    return x < y ? -order : x > y ? order : a - b;
  });
};

const CONDITION = /^(-?)([^\s<>=!:]+)(<=|>=|!=|=|<|>|:)(.*)$/;

/** Turn the text of a filter into a test of a row; what cannot be understood throws an Error that says why. */
S2V.parseFilter = (text, columns) => {
  const words = text.match(/(?:[^\s"]+|"[^"]*")+/g) || [];
  const tests = words.map((word) => {
    const plain = word.replaceAll('"', "");
    const [, minus, name, sign, wanted] = CONDITION.exec(plain) || [];
    const test = name === undefined ? idTest(plain.replace(/^-/, "")) : conditionTest(name, sign, wanted, columns);
    return (minus === undefined ? plain.length > 1 && plain.startsWith("-") : minus === "-") ? (row) => !test(row) : test;
  });
  return (row) => tests.every((test) => test(row));
};

const idTest = (piece) => {
  const wanted = piece.toLowerCase();
  return (row) => [S2V.night.candidate[row], S2V.night.object[row]].some((id) => id !== null && id.toLowerCase().includes(wanted));
};

const conditionTest = (name, sign, wanted, columns) => {
  if (name === "flag" && (sign === ":" || sign === "=")) {
    if (wanted === "none") return (row) => S2V.night.flags[row] === 0;
    const flag = S2V.night.flagNames.find((entry) => entry.name === wanted);
    if (!flag) throw new Error(`there is no flag ${wanted}`);
    return (row) => ((S2V.night.flags[row] >>> flag.bit) & 1) === 1;
  }
  const column = columns.find((entry) => entry.name === name);
  if (!column) throw new Error(`there is no column ${name}`);
  if (wanted === "none") {
    const known = sign === "!=";
    return (row) => { const value = column.value(row); return (value !== null && value !== undefined && value !== "") === known; };
  }
  if (!column.numeric) {
    const lower = wanted.toLowerCase();
    const text = (row) => String(column.value(row) ?? "").toLowerCase();
    if (sign === ":") return (row) => text(row).includes(lower);
    if (sign === "=") return (row) => text(row) === lower;
    if (sign === "!=") return (row) => text(row) !== lower;
    throw new Error(`${name} is text: compare it by : or =`);
  }
  const number = Number(wanted);
  if (wanted === "" || Number.isNaN(number)) throw new Error(`${name} is compared with a number`);
  const compare = {
    "<": (x) => x < number, ">": (x) => x > number, "<=": (x) => x <= number, ">=": (x) => x >= number,
    "=": (x) => x === number, ":": (x) => x === number, "!=": (x) => x !== number,
  }[sign];
  return (row) => { const value = column.value(row); return typeof value === "number" && compare(value); };
};
