// The read-outs: tiles when there is one lane, a table with a column a lane when there are several. Elements and not
// painted words, so that they can be focused, explained and read aloud; each has a slot that never changes its size.

import { markSvg } from "./marks.js";
import { formsOf, shortAlpha } from "./numerals.js";
import { fitting, textWidth } from "./places.js";
import { make, putAt, setText, term } from "./tips.js";

// What stays where there is no room for all, and what goes first. Others come before the last two.
const FIRST = ["reward", "truth", "alpha", "diversity", "w2", "round", "ess", "coupled", "penalty", "secant", "bound", "moved"];
const LAST = ["speed", "drawn"];
const LARGE = ["reward", "truth", "diversity"]; // these are shown before anybody asks for more

const rankOf = (key) => (FIRST.includes(key) ? FIRST.indexOf(key) : LAST.includes(key) ? 90 + LAST.indexOf(key) : 50);
const briefly = (exact) => exact.replace(/^about /, "≈ ");

/** The numbers of a frame that are wanted: {whole: of the session, own: of each lane, in the frame's order}. */
export function wantedNumbers(frame, { more, present }) {
  const [whole, own] = [frame.numbers, frame.lanes[0].numbers];
  if (more || present) return { whole, own };
  const large = own.filter(({ key }) => LARGE.includes(key));
  return { whole: [], own: large.length ? large : own.slice(0, 2) };
}

/** The most important ones of a list, in the list's own order. */
function foremost(list, count) {
  const kept = [...list].sort((a, b) => rankOf(a.key) - rankOf(b.key)).slice(0, Math.max(0, count));
  return list.filter((number) => kept.includes(number));
}

export class Numbers {
  /** more(): the button was pressed. */
  constructor(holder, more) {
    this.element = make("div", "orw-numbers");
    holder.append(this.element);
    this.button = make("button", "orw-more");
    this.button.type = "button";
    this.button.addEventListener("click", more);
    this.made = "";
    this.slots = []; // functions that write a number of the newest frame
  }

  place(layout) {
    putAt(this.element, layout.numbers);
    this.element.style.setProperty("--row", `${layout.numbers.row}px`);
    this.element.style.setProperty("--head", `${layout.numbers.head ?? layout.numbers.row}px`);
    this.element.style.setProperty("--columns", layout.numbers.columns);
    this.made = "";
  }

  show(frame, layout, options) {
    const { whole, own } = wantedNumbers(frame, options);
    const key = [layout.numbers.table, options.more, ...[...whole, ...own].map(({ key: one, exact }) => `${one}${exact ? "!" : ""}`), "",
      ...frame.lanes.map(({ label }) => label)].join("|");
    if (key !== this.made) {
      const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
      this.element.replaceChildren();
      this.element.classList.toggle("orw-large", !options.more && !options.present);
      this.slots = [];
      setText(this.button, options.more ? "fewer numbers" : "more numbers");
      this.button.setAttribute("aria-expanded", String(options.more));
      if (layout.numbers.table) this.makeTable(whole, own, frame, layout);
      else this.makeTiles(whole, own, layout);
      this.made = key;
      if (focused === this.button) this.button.focus();
      else if (focused) [...this.element.querySelectorAll("button")].find((button) => button.textContent === focused.textContent)?.focus();
    }
    for (const write of this.slots) write(frame);
  }

  makeTiles(whole, own, { numbers: { rows, columns, w, value: size, button }, small }) {
    this.element.className = this.element.className.replace(/ ?orw-t(iles|able)/g, "") + " orw-tiles";
    const width = w / columns - 12;
    for (const { key, name, short, hint } of foremost([...whole, ...own], rows * columns - (button ? 1 : 0))) {
      const tile = make("div", "orw-tile"), value = make("span", "orw-value"), exact = make("span", "orw-exact");
      const spread = make("span", "orw-spread");
      tile.dataset.key = key;
      const shown = fitting([name, short], width, (text) => textWidth(text, small));
      tile.append(term(shown, hint, tile), value, spread, exact);
      this.element.append(tile);
      let now = null, hidden = "";
      tile.explain = () => ({ title: name, text: `${hint}${hidden}` });
      const least = { spread: 0, exact: 0 }; // what was too long once stays away: nothing blinks
      this.slots.push((frame) => {
        now = find(frame.numbers, key) ?? find(frame.lanes[0].numbers, key);
        const says = now?.value ?? "–", room = width - 0.9 * small - textWidth(says, size, 640);
        const limits = now?.exact ? [`exact ${now.exact}`, `exact ${briefly(now.exact)}`, ""] : [""];
        const spreads = [now?.spread ?? "", ""];
        const fits = (one, other) => textWidth(one, small, 500) + textWidth(other, small, 500) + (one && other ? 0.9 * small : 0) <= room;
        const wide = (text) => fits(spreads[0] ? `${spreads[0]}0` : "", text);
        if (!wide(limits.at(-2) ?? "")) least.spread = 1;
        while (least.exact < limits.length - 1 && !fits(least.spread ? "" : spreads[0], limits[least.exact])) least.exact++;
        const said = spreads[least.spread], limit = limits[Math.min(least.exact, limits.length - 1)];
        setText(value, says);
        setText(spread, said);
        setText(exact, limit);
        hidden = (now?.spread && !said ? ` Now: ${now.spread}.` : "") + (now?.exact && !limit ? ` Exact: ${now.exact}.` : "");
      });
    }
    if (button) this.element.append(this.button);
  }

  makeTable(whole, own, frame, { numbers, small, size }) {
    this.element.className = this.element.className.replace(/ ?orw-t(iles|able)/g, "") + " orw-table";
    if (numbers.above && whole.length) this.element.append(this.makeLine(whole, numbers.w, small));
    if (!numbers.rows || !own.length) return;
    const widest = Math.max(textWidth("−00.00", small, 600), ...frame.lanes.flatMap(({ numbers: all }) => all.map(({ value }) => textWidth(value, small, 600))));
    const words = 12 + Math.max(...own.map(({ short }) => textWidth(short, small)), textWidth("exact", small) + small);
    const button = numbers.button ? textWidth("fewer numbers", small, 600) + 14 : 0;
    const roomy = (numbers.w - Math.max(words, button)) / frame.count >= widest + 14;
    const first = Math.min(0.4 * numbers.w, roomy ? Math.max(words, button) : words);
    const cell = (numbers.w - first) / frame.count;
    const table = make("table"), head = make("tr"), body = make("tbody"), corner = make("td");
    table.style.setProperty("--first", `${Math.round(first)}px`);
    table.setAttribute("aria-label", "Numbers of each lane");
    if (numbers.button) {
      if (first < button) setText(this.button, this.button.textContent.split(" ")[0]);
      corner.append(this.button);
    }
    head.append(corner);
    const names = frame.lanes.map(({ label }, k) => label || `lane ${k + 1}`);
    const forms = [names, names.map(shortAlpha), names.map(() => "")]; // of all lanes alike
    const shown = fitting(forms, cell - 25, (texts) => Math.max(...texts.map((text) => textWidth(text, size, 650))));
    names.forEach((name, k) => {
      const th = make("th");
      th.innerHTML = `${markSvg(k, `var(--dot-${k})`)} `;
      th.append(make("span", shown[k] ? "" : "orw-unseen", shown[k] || name)); // where there is no room, for those who listen
      th.scope = "col";
      th.dataset.lane = k;
      if (shown[k] && shown[k] !== name) th.setAttribute("aria-label", name);
      head.append(th);
    });
    const top = make("thead");
    top.append(head);
    table.append(top, body);
    const rows = own.flatMap((number) => [{ ...number, kind: "value" },
      ...(numbers.inline || !number.exact ? [] : [{ ...number, kind: "exact" }])]);
    const kept = foremost(rows, numbers.rows); // a limit has the rank of its number
    const font = this.element.classList.contains("orw-large") ? 1.2 * size : (size + small) / 2;
    for (const number of kept) this.makeRow(number, frame, body, { inline: numbers.inline, width: cell, font, small });
    this.element.append(table);
  }

  makeRow({ key, name, short, hint, kind }, frame, body, { inline, width, font, small }) {
    const row = make("tr", kind === "exact" ? "orw-limits" : ""), header = make("th");
    const cells = frame.lanes.map(() => make("td"));
    header.scope = "row";
    if (kind === "exact") {
      header.append(make("span", "orw-exact", "exact"));
      header.setAttribute("aria-label", `${short}, exact`);
    } else header.append(term(short, hint, header));
    row.append(header, ...cells);
    body.append(row);
    let now = [];
    if (kind === "value") {
      row.explain = () => {
        const told = (what) => frame.lanes.map(({ label }, k) => (now[k]?.[what] ? `${label}: ${now[k][what]}` : ""))
          .filter(Boolean).join("; ");
        const spread = told("spread"), exact = told("exact"), whole = row.querySelector(".orw-tight") ? told("value") : "";
        return { title: name, text: hint + (whole && ` Now: ${whole}.`) + (spread && ` Spread: ${spread}.`) + (exact && ` Exact: ${exact}.`) };
      };
      cells.forEach((cell) => cell.append(make("span", "orw-value"), ...(inline ? [" ", make("span", "orw-exact")] : [])));
    } else cells.forEach((cell) => cell.append(make("span", "orw-exact")));
    this.slots.push(({ lanes }) => {
      now = lanes.map(({ numbers }) => find(numbers, key));
      cells.forEach((cell, k) => {
        const exact = now[k]?.exact ? briefly(now[k].exact) : "";
        if (kind === "exact") {
          return setText(cell.firstChild, fitting([exact || "–", ...formsOf(exact.replace("≈ ", ""))], width - 8, (text) => textWidth(text, small, 500)));
        }
        const value = now[k]?.value ?? "–";
        if (textWidth(value, font, 600) > width - 12) cell.classList.add("orw-tight"); // for good: nothing blinks
        const tight = cell.classList.contains("orw-tight");
        setText(cell.firstChild, tight ? fitting(formsOf(value), width - 5, (text) => textWidth(text, small, 600)) : value);
        if (inline) setText(cell.lastChild, exact ? `(exact ${exact})` : "");
      });
    });
  }

  /** The numbers of the whole session in one line, as many as fit. */
  makeLine(whole, width, small) {
    const line = make("div", "orw-line"), widths = whole.map(({ short }) => textWidth(short, small) + 7 * small);
    let count = whole.length;
    const kept = () => foremost(whole, count);
    while (count > 1 && kept().reduce((sum, number) => sum + widths[whole.indexOf(number)], 0) > width) count--;
    for (const { key, name, short, hint } of kept()) {
      const item = make("span", "orw-item"), value = make("b", "orw-value");
      item.append(term(short, hint, item), " ", value);
      item.explain = () => ({ title: name, text: hint });
      line.append(item);
      this.slots.push((frame) => setText(value, find(frame.numbers, key)?.value ?? "–"));
    }
    return line;
  }
}

const find = (numbers, key) => numbers.find((number) => number.key === key);
