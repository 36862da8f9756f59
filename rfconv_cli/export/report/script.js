"use strict";
// The one table that may be long: rows are shown by what is typed, and sorted by a click on a heading.
const table = document.getElementById("field-table");
const body = table.tBodies[0];
const rows = Array.from(body.rows);
const count = document.getElementById("count");
const search = document.getElementById("search");

function show() {
  const wanted = search.value.trim().toLowerCase();
  let shown = 0;
  for (const row of rows) {
    row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
    shown += row.hidden ? 0 : 1;
  }
  count.textContent = wanted === "" ? "" : `${shown} of ${rows.length}`;
}

function key(row, column) {
  const cell = row.cells[column];
  return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent;
}

function sort(head, column) {
  const down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down === 1 ? "ascending" : "descending");
  rows.sort((a, b) => {
    const [x, y] = [key(a, column), key(b, column)];
    return down * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true }));
  });
  body.append(...rows);
}

search.addEventListener("input", show);
Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  button.addEventListener("click", () => sort(head, column));
  head.replaceChildren(button);
});
