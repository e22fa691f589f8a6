/* The list of experiments of a report: filters, order, and one in detail. What the data
 * say is only ever text here: nothing of it is made HTML, a style or an address. */
"use strict";
(() => {
    const data = JSON.parse(document.getElementById("data").textContent);
    const at = Object.fromEntries(data.columns.map((name, index) => [name, index]));
    const rows = data.rows;
    const byNumber = new Map(rows.map((row) => [row[at.number], row]));
    const listed = ["number", "outcome", "target", "location", "bit", "at_instruction",
        "activation", "detected", "injected_place"];
    const searched = ["location", "injected_place", "detected", "detail", "fault"];
    const titleOf = (name) => name === "detected" ? "exception" : name.replaceAll("_", " ");
    const rowHeight = 26;
    const element = (id) => document.getElementById(id);
    const list = element("list");
    const body = list.querySelector("tbody");
    let found = rows;
    let order = {column: "number", sign: 1};
    let chosen = null;

    function make(name, text, className) {
        const node = document.createElement(name);
        if (text !== undefined && text !== null) {
            node.textContent = text;
        }
        if (className) {
            node.className = className;
        }
        return node;
    }

    function outcomeClass(name) {
        const index = data.outcomes.indexOf(name);
        return "dot o" + (index < 0 ? data.other : index);
    }

    /* -- the list: only what is seen is there -- */

    function makeRow(row) {
        const line = make("tr");
        line.dataset.number = row[at.number];
        line.classList.toggle("chosen", row === chosen);
        for (const name of listed) {
            const value = row[at[name]];
            const cell = make("td");
            if (name === "outcome") {
                cell.append(make("span", null, outcomeClass(value)));
            }
            cell.append(value === null ? "" : String(value));
            cell.title = value === null ? "" : String(value);
            if (typeof value !== "number") {
                cell.classList.add("text");
            }
            line.append(cell);
        }
        return line;
    }

    function makeSpacer(height) {
        const line = make("tr", null, "spacer");
        const cell = make("td");
        cell.colSpan = listed.length;
        cell.style.height = height + "px";
        line.append(cell);
        return line;
    }

    function draw() {
        const margin = 20;
        const first = Math.max(0, Math.floor(list.scrollTop / rowHeight) - margin);
        const last = Math.min(found.length,
            Math.ceil((list.scrollTop + list.clientHeight) / rowHeight) + margin);
        body.replaceChildren(makeSpacer(first * rowHeight),
            ...found.slice(first, last).map(makeRow),
            makeSpacer((found.length - last) * rowHeight));
    }

    function compare(first, second) {
        const a = first[at[order.column]];
        const b = second[at[order.column]];
        if (a === b) {
            return first[at.number] - second[at.number];
        }
        if (a === null || b === null) {
            return a === null ? 1 : -1;
        }
        return (a < b ? -1 : 1) * order.sign;
    }

    function sort() {
        found.sort(compare);
        for (const head of list.querySelectorAll("th")) {
            const own = head.dataset.column === order.column;
            head.ariaSort = !own ? "none" : order.sign > 0 ? "ascending" : "descending";
        }
    }

    /* -- filters -- */

    const filters = element("filters");
    const outcomes = () => [...filters.querySelectorAll("input[name=outcome]")];

    function filter() {
        const wanted = new Set(outcomes().filter((box) => box.checked)
            .map((box) => box.value));
        const target = filters.elements.target.value;
        const text = filters.elements.text.value.trim().toLowerCase();
        const carriedOut = filters.elements.carried.checked;
        found = rows.filter((row) => wanted.has(row[at.outcome]) &&
            (target === "" || row[at.target] === target) &&
            (!carriedOut || row[at.same_as] === null) &&
            (text === "" || searched.some((name) => row[at[name]] !== null &&
                row[at[name]].toLowerCase().includes(text))));
        element("count").textContent = found.length.toLocaleString("en") + " of " +
            rows.length.toLocaleString("en") + " experiments";
        sort();
        list.scrollTop = 0;
        draw();
    }

    function addOutcome(name, count) {
        const label = make("label");
        const box = make("input");
        box.type = "checkbox";
        box.name = "outcome";
        box.value = name;
        box.checked = true;
        label.append(box, " ", make("span", null, outcomeClass(name)),
            name + " (" + count.toLocaleString("en") + ")");
        element("outcomes").append(label);
    }

    function prepareFilters() {
        const counts = new Map();
        const targets = new Set();
        for (const row of rows) {
            counts.set(row[at.outcome], (counts.get(row[at.outcome]) || 0) + 1);
            targets.add(row[at.target]);
        }
        const rank = (name) => {
            const index = data.outcomes.indexOf(name);
            return index < 0 ? data.outcomes.length : index;
        };
        for (const [name, count] of [...counts].sort((a, b) => rank(a[0]) - rank(b[0]))) {
            addOutcome(name, count);
        }
        for (const target of [...targets].filter((name) => name !== null).sort()) {
            const option = make("option", target);
            option.value = target;
            filters.elements.target.append(option);
        }
        for (const name of listed) {
            const isNumber = ["number", "bit", "at_instruction"].includes(name);
            const head = make("th", titleOf(name), isNumber ? "" : "text");
            head.dataset.column = name;
            list.querySelector("thead tr").append(head);
        }
    }

    /* -- one experiment -- */

    function parse(text) {
        try {
            return JSON.parse(text);
        } catch {
            return null;
        }
    }

    function addTitled(place, title, node) {
        place.append(make("h3", title), node);
    }

    function addFact(facts, name, value) {
        const definition = make("dd");
        if (name === "same_as" && byNumber.has(value)) {
            const link = make("a", "experiment " + value);
            link.href = "#experiment=" + value;
            definition.append(link);
        } else {
            definition.textContent = value;
        }
        facts.append(make("dt", titleOf(name)), definition);
    }

    function valuesTable(golden, own) {
        const table = make("table");
        const head = make("tr");
        head.append(make("th", "value"), make("th", "golden run"), make("th", "here"));
        table.append(head);
        for (const name of new Set([...Object.keys(golden), ...Object.keys(own)])) {
            const line = make("tr");
            const differs = JSON.stringify(golden[name]) !== JSON.stringify(own[name]);
            line.append(make("td", name), make("td", JSON.stringify(golden[name])),
                make("td", JSON.stringify(own[name]), differs ? "differs" : ""));
            table.append(line);
        }
        return table;
    }

    function addCommand(place, row) {
        const command = data.replay + row[at.number];
        const code = make("pre", command);
        const copy = make("button", "Copy");
        copy.type = "button";
        copy.addEventListener("click", () => {
            getSelection().selectAllChildren(code);
            document.execCommand("copy");
        });
        addTitled(place, "Carry it out once more", code);
        place.append(copy);
    }

    function addTexts(place, row) {
        const golden = parse(data.golden_values);
        const own = parse(row[at.values]);
        const reports = parse(row[at.faults]);
        if (own !== null && typeof own === "object") {
            addTitled(place, "Values", valuesTable(golden || {}, own));
        }
        if (row[at.faults] !== null) {
            addTitled(place, "Report", make("pre", reports === null ? row[at.faults]
                : JSON.stringify(reports, null, 1)));
        }
        if (row[at.output] !== null) {
            addTitled(place, "Output", make("pre", row[at.output]));
            addTitled(place, "Output of the golden run", make("pre", data.golden_output));
        }
    }

    function show(row) {
        const texts = ["number", "outcome", "fault", "values", "faults", "output"];
        const place = element("detail");
        const title = make("h3");
        const facts = make("dl", null, "facts");
        title.append(make("span", null, outcomeClass(row[at.outcome])),
            "Experiment " + row[at.number] + ": " + row[at.outcome]);
        for (const name of data.columns) {
            if (!texts.includes(name) && row[at[name]] !== null) {
                addFact(facts, name, row[at[name]]);
            }
        }
        place.replaceChildren(title);
        if (row[at.fault] !== null) {
            place.append(make("pre", row[at.fault]));
        }
        place.append(facts);
        addCommand(place, row);
        addTexts(place, row);
        place.scrollTop = 0;
        chosen = row;
        draw();
    }

    function scrollTo(index) {
        const y = index * rowHeight;
        if (y < list.scrollTop) {
            list.scrollTop = y;
        } else if (y > list.scrollTop + list.clientHeight - 3 * rowHeight) {
            list.scrollTop = y - list.clientHeight + 3 * rowHeight;
        }
    }

    function move(step) {
        const index = found.indexOf(chosen) + step;
        if (index >= 0 && index < found.length) {
            scrollTo(index);
            show(found[index]);
        }
    }

    /* -- links into the list: #outcome=, #target=, #place=, #text=, #experiment= -- */

    /* Of all experiments, those of which the link tells. */
    function filterBy(key, value) {
        const [target, place] = key === "place" ? value.split(" ", 2) : ["", value];
        filters.reset();
        for (const box of outcomes()) {
            box.checked = key !== "outcome" || box.value === value;
        }
        filters.elements.target.value = key === "target" ? value : target;
        filters.elements.text.value = ["place", "text"].includes(key) ? place : "";
        filter();
    }

    function followLink() {
        const [key, text] = location.hash.slice(1).split("=", 2);
        const value = decodeURIComponent(text || "");
        if (key === "experiment" && byNumber.has(Number(value))) {
            const row = byNumber.get(Number(value));
            scrollTo(Math.max(0, found.indexOf(row)));
            show(row);
        } else if (["outcome", "target", "place", "text"].includes(key)) {
            filterBy(key, value);
        } else {
            return;
        }
        element("experiments").scrollIntoView();
    }

    prepareFilters();
    filter();
    filters.addEventListener("input", filter);
    filters.addEventListener("submit", (event) => event.preventDefault());
    filters.addEventListener("reset", () => setTimeout(filter, 0));
    list.addEventListener("scroll", draw);
    addEventListener("resize", draw);
    list.querySelector("thead").addEventListener("click", (event) => {
        const column = event.target.dataset.column;
        if (column) {
            order = {column, sign: order.column === column ? -order.sign : 1};
            sort();
            draw();
        }
    });
    body.addEventListener("click", (event) => {
        const line = event.target.closest("tr[data-number]");
        if (line) {
            show(byNumber.get(Number(line.dataset.number)));
        }
    });
    list.addEventListener("keydown", (event) => {
        const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
        if (step) {
            event.preventDefault();
            move(step);
        }
    });
    addEventListener("hashchange", followLink);
    followLink();
})();
