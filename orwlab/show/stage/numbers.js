// The read-outs: tiles when there is one lane, a table with a column a lane when there are several. Elements and not
// painted words, so that they can be focused, explained and read aloud; each has a slot that never changes its size.

import { make, putAt, setText, term } from "./tips.js";

export class Numbers {
  constructor(holder) {
    this.element = make("div", "orw-numbers");
    holder.append(this.element);
    this.made = "";
    this.slots = []; // {number of the newest frame, write(frame)}
  }

  /** What there is to show: [number as in the first lane, lane numbers by lane or null]. */
  static rows(frame) {
    const own = frame.lanes[0].numbers.map((number, i) => [
      number, frame.lanes.map((lane) => lane.numbers.find(({ key }) => key === number.key) ?? lane.numbers[i] ?? null)]);
    return [frame.numbers.map((number) => [number, null]), own];
  }

  place(layout) {
    putAt(this.element, layout.numbers);
    this.element.style.setProperty("--row", `${layout.numbers.row}px`);
    this.element.style.setProperty("--columns", layout.numbers.columns);
    this.made = "";
  }

  show(frame, layout) {
    const [whole, own] = Numbers.rows(frame);
    const key = [layout.numbers.table, ...[...whole, ...own].map(([number]) => number.key), "",
      ...frame.lanes.map(({ label }) => label)].join("|");
    if (key !== this.made) {
      const focused = this.element.contains(document.activeElement) ? document.activeElement.textContent : null;
      this.element.replaceChildren();
      this.slots = [];
      if (layout.numbers.table) this.makeTable(whole, own, frame, layout);
      else this.makeTiles([...whole, ...own], layout);
      this.made = key;
      if (focused !== null) {
        [...this.element.querySelectorAll("button")].find((button) => button.textContent === focused)?.focus();
      }
    }
    for (const write of this.slots) write(whole, own);
  }

  makeTiles(all, { numbers: { rows, columns, w, spread: wide }, small }) {
    this.element.className = `orw-numbers orw-tiles${wide ? " orw-wide" : ""}`;
    const letters = (w / columns - 10) / (0.57 * small); // about as many fit into a tile
    all.slice(0, rows * columns).forEach(([{ key, name, short, hint }]) => {
      const tile = make("div", "orw-tile"), value = make("span", "orw-value"), exact = make("span", "orw-exact");
      const spread = make("span", "orw-spread");
      tile.dataset.key = key;
      tile.append(term(name.length > letters ? short : name, hint, tile), value, spread, exact);
      this.element.append(tile);
      let now = null;
      tile.explain = () => ({ title: name, text: wide || !now?.spread ? hint : `${hint} Now: ${now.spread}.` });
      this.slots.push((whole, own) => {
        now = find([...whole, ...own], key);
        setText(value, now?.value ?? "–");
        setText(spread, wide ? now?.spread ?? "" : "");
        setText(exact, now?.exact ? `exact ${now.exact}` : "");
      });
    });
  }

  makeTable(whole, own, frame, { numbers }) {
    this.element.className = "orw-numbers";
    if (whole.length) {
      const line = make("div", "orw-line");
      whole.forEach(([{ key, name, short, hint }]) => {
        const item = make("span", "orw-item"), value = make("b", "orw-value");
        item.append(term(short, hint, item), " ", value);
        item.explain = () => ({ title: name, text: hint });
        line.append(item);
        this.slots.push((now) => setText(value, find(now, key)?.value ?? "–"));
      });
      this.element.append(line);
    }
    if (!numbers.rows || !own.length) return;
    const table = make("table"), head = make("tr"), body = make("tbody");
    table.setAttribute("aria-label", "Numbers of each lane");
    head.append(make("td"));
    frame.lanes.forEach(({ label }, k) => {
      const cell = make("th", "", label || `lane ${k + 1}`);
      cell.scope = "col";
      cell.dataset.lane = k;
      head.append(cell);
    });
    const top = make("thead");
    top.append(head);
    table.append(top, body);
    own.slice(0, numbers.rows).forEach(([{ key, name, short, hint }]) => {
      const row = make("tr"), header = make("th"), cells = frame.lanes.map(() => make("td"));
      header.scope = "row";
      header.append(term(short, hint, header));
      row.append(header, ...cells);
      body.append(row);
      cells.forEach((cell) => cell.append(make("span", "orw-value"), " ", make("span", "orw-exact")));
      let now = [];
      row.explain = () => {
        const said = (what) => frame.lanes.map(({ label }, k) => (now[k]?.[what] ? `${label}: ${now[k][what]}` : ""))
          .filter(Boolean).join("; ");
        const spread = said("spread"), exact = said("exact");
        return { title: name, text: hint + (spread && ` Spread: ${spread}.`) + (exact && ` Exact: ${exact}.`) };
      };
      this.slots.push((_, lanes) => {
        now = lanes.find(([number]) => number.key === key)?.[1] ?? [];
        cells.forEach((cell, k) => {
          setText(cell.children[0], now[k]?.value ?? "–");
          setText(cell.children[1], numbers.exact && now[k]?.exact ? now[k].exact : "");
        });
      });
    });
    this.element.append(table);
  }
}

const find = (rows, key) => rows.find(([number]) => number.key === key)?.[0];
