#!/usr/bin/env python3
"""faumachine campaign report, of databases that make_results has made.

    report_test.py PROGRAM MAKE_RESULTS

What it should print is in report.txt and report.csv; REPORT_TEST_UPDATE=1 writes them.
"""

import base64
import csv
import hashlib
import html.parser
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

PROGRAM, MAKE_RESULTS = (os.path.abspath(argument) for argument in sys.argv[1:3])
HERE = pathlib.Path(__file__).resolve().parent
LIMIT_S = 60
ROWS = 2000
HOSTILE_ROWS = 60
# What texts of the hostile guest begin with; it shall be seen as it is.
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>"
ALLOWED = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "dl", "dt", "dd",
           "svg", "text", "rect", "path", "div", "table", "thead", "tbody", "tr", "th",
           "td", "span", "a", "p", "ul", "li", "noscript", "code", "form", "fieldset",
           "label", "select", "option", "input", "button", "section", "details",
           "summary", "pre", "script"}
VOID = {"meta", "input"}


class Page(html.parser.HTMLParser):
    """A page's elements, texts and data; complains of what does not belong there."""

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.scripts = []
        self.styles = []
        self.text = {}
        self.attributes = []
        self.complaints = []
        self.feed(text)
        self.close()
        if self.open:
            self.complaints.append(f"left open: {self.open}")

    def handle_starttag(self, tag, attrs):
        if tag not in ALLOWED:
            self.complaints.append(f"<{tag}>")
        for name, value in attrs:
            self.attributes.append((tag, name, value))
            if name.startswith("on") or name in {"style", "src", "srcdoc"}:
                self.complaints.append(f"<{tag} {name}>")
            if name == "href" and not re.fullmatch(r"#[a-z]+=[A-Za-z0-9._~%-]*", value):
                self.complaints.append(f"href {value}")
        if tag == "script":
            self.scripts.append((dict(attrs), ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.complaints.append(f"</{tag}>")

    def handle_data(self, data):
        tag = self.open[-1] if self.open else ""
        if tag == "script":
            attributes, text = self.scripts.pop()
            self.scripts.append((attributes, text + data))
        elif tag == "style":
            self.styles.append(data)
        self.text[tag] = self.text.get(tag, "") + data

    def handle_comment(self, data):
        self.complaints.append(f"<!--{data}-->")

    def data(self):
        """What the page has of the experiments: a dictionary for each."""
        values = json.loads(self.scripts[0][1])
        return values, [dict(zip(values["columns"], row)) for row in values["rows"]]


def report(*words, **keywords):
    """The completed process."""
    keywords.setdefault("cwd", None)
    return subprocess.run([PROGRAM, "campaign", "report", *words], timeout=LIMIT_S,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, **keywords)


def sum_of(data):
    """A hash as policies of pages have it."""
    digest = hashlib.sha256(data.encode()).digest()
    return "'sha256-" + base64.b64encode(digest).decode() + "'"


class Report(unittest.TestCase):
    """What it writes, of an ordinary campaign and of a hostile one."""

    @classmethod
    def setUpClass(cls):
        # pylint: disable=consider-using-with
        cls.folder = tempfile.TemporaryDirectory(prefix="faumachine-report-")
        cls.addClassCleanup(cls.folder.cleanup)
        for name, rows, *more in (("a.db", ROWS), ("small.db", 40), ("none.db", 0),
                                  ("hostile.db", HOSTILE_ROWS, "hostile")):
            subprocess.run([MAKE_RESULTS, name, str(rows), *more], check=True,
                           timeout=LIMIT_S, cwd=cls.folder.name)

    def path(self, name):
        """A path in the tests' folder."""
        return os.path.join(self.folder.name, name)

    def good(self, *words):
        """It succeeds in the tests' folder; returns what it prints."""
        result = report(*words, cwd=self.folder.name)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        return result.stdout.decode()

    def refuse(self, *words, hint):
        """One line, with the hint, and status 1."""
        result = report(*words, cwd=self.folder.name)
        line = result.stderr.decode()
        self.assertEqual(result.returncode, 1, line)
        self.assertEqual(line.count("\n"), 1, line)
        self.assertTrue(line.startswith("faumachine: "), line)
        self.assertIn(hint, line)

    def page(self, database, *words):
        """The page, as far as it can be understood without a browser."""
        self.good("--db", database, "--html", "page.html", *words)
        text = pathlib.Path(self.path("page.html")).read_text("utf-8")
        page = Page(text)
        self.assertEqual(page.complaints, [])
        return page

    def golden(self, name, text):
        """The text is that of the file."""
        path = HERE / name
        if os.environ.get("REPORT_TEST_UPDATE"):
            path.write_text(text, "utf-8")
        self.assertEqual(text, path.read_text("utf-8"))

    def test_terminal(self):
        """The summary is the one in the tree."""
        text = self.good("--db", "a.db")
        self.golden("report.txt", text)
        self.assertLessEqual(max(map(len, text.splitlines())), 80)

    def test_figures(self):
        """The summary's figures are those of the table."""
        rows = list(csv.DictReader(io.StringIO(self.good("--db", "a.db", "--csv", "-"))))
        text = self.good("--db", "a.db", "--confidence", "99", "--interval", "exact",
                         "--failures", "sdc,late-result")
        self.assertEqual(len(rows), ROWS)
        outcomes = [row["outcome"] for row in rows]
        counted = ROWS - outcomes.count("error")
        failures = outcomes.count("sdc") + outcomes.count("late-result")
        for name, count in [("failures", failures), ("crash", outcomes.count("crash"))]:
            own = [row for row in rows if not row["same_as"] and (
                row["outcome"] == name or (name == "failures" and
                                           row["outcome"] in ("sdc", "late-result")))]
            line = re.search(rf"^{name} +([0-9,]+) +([0-9,]+) +([0-9.]+)%", text,
                             re.MULTILINE)
            self.assertEqual(line[1], str(count))
            self.assertEqual(line[2], str(len(own)))
            self.assertEqual(line[3], f"{100 * count / counted:.2f}")
        self.assertIn("99% intervals by Clopper and Pearson", text)

    def test_csv(self):
        """The table is the one in the tree, and is what the database has."""
        text = self.good("--db", "small.db", "--csv", "-")
        self.golden("report.csv", text)
        self.assertIn("experiments", self.good("--db", "small.db", "--csv", "out.csv"))
        self.assertEqual(pathlib.Path(self.path("out.csv")).read_text("utf-8"), text)
        head = text.splitlines()[0].split(",")
        self.assertEqual(head[:2], ["number", "outcome"])
        self.assertEqual(head[-2:], ["virtual_ns", "host_ms"])
        hostile = self.good("--db", "hostile.db", "--csv", "-")
        rows = list(csv.DictReader(io.StringIO(hostile, newline=""), strict=True))
        self.assertEqual(len(rows), HOSTILE_ROWS)
        self.assertTrue(rows[0]["detail"].startswith(HOSTILE))
        self.assertIn("\ufffd\ufffd \x1b[2J", rows[0]["output"])

    def test_page(self):
        """A page loads nothing, has the rows, and its policy fits."""
        page = self.page("a.db")
        values, rows = page.data()
        self.assertEqual([row["number"] for row in rows], list(range(ROWS)))
        self.assertEqual(rows[0]["outcome"], "masked")
        self.assertEqual(values["replay"], "faumachine campaign replay --db a.db ")
        policy = [value for tag, name, value in page.attributes
                  if tag == "meta" and name == "content" and "default-src" in value][0]
        self.assertIn("default-src 'none';", policy)
        self.assertIn(f"style-src {sum_of(page.styles[0])};", policy)
        self.assertIn(f"script-src {sum_of(page.scripts[1][1])};", policy)
        self.assertEqual(len(page.scripts), 2)
        self.assertNotIn("http", " ".join(value or "" for _, name, value
                                          in page.attributes if name != "http-equiv"))
        titles = page.text["h2"]
        for title in ("Outcomes", "Time of injection", "Targets", "Locations"):
            self.assertIn(title, titles)

    def test_hostile_page(self):
        """What the guest says is text, in the page and in its data."""
        page = self.page("hostile.db")
        values, rows = page.data()
        self.assertEqual(page.text["title"].count(HOSTILE), 1)
        self.assertTrue(rows[0]["fault"].startswith(HOSTILE))
        self.assertTrue(values["golden_output"].startswith(HOSTILE))
        self.assertIn(HOSTILE, page.text["pre"])
        self.assertEqual(len(page.scripts), 2)
        for tag in ("h1", "a", "dd"):
            self.assertIn("<script>", page.text[tag], tag)

    def test_hostile_terminal(self):
        """Nothing of it drives the terminal."""
        text = self.good("--db", "hostile.db")
        self.assertNotRegex(text, "[\x00-\x09\x0b-\x1f\x7f-\x9f]")

    def test_nothing_yet(self):
        """A campaign without experiments."""
        text = self.good("--db", "none.db")
        self.assertIn("0 of 0 planned", text)
        self.assertEqual(self.page("none.db").data()[1], [])
        self.assertEqual(self.good("--db", "none.db", "--csv", "-").count("\n"), 1)

    def test_odd_names(self):
        """A command to be copied holds for any name of a file."""
        name = "it's; $(x) <b>.db"
        os.symlink("small.db", self.path(name))
        values, _ = self.page(name).data()
        words = subprocess.run(["sh", "-c", 'printf "%s\\n" ' + values["replay"] + "7"],
                               check=True, stdout=subprocess.PIPE, timeout=LIMIT_S)
        self.assertEqual(words.stdout.decode().splitlines(),
                         ["faumachine", "campaign", "replay", "--db", name, "7"])

    def test_atomic(self):
        """What cannot be written leaves what there was, and no remains."""
        path = pathlib.Path(self.path("kept.html"))
        path.write_text("before", "utf-8")
        broken = pathlib.Path(self.path("broken.db"))
        data = bytearray(pathlib.Path(self.path("a.db")).read_bytes())
        for offset in range(len(data) // 2 & ~4095, len(data), 4096):
            data[offset:offset + 4] = b"\xff\xff\xff\xff"
        broken.write_bytes(data)
        self.refuse("--db", "broken.db", "--html", "kept.html", hint="is damaged")
        self.assertEqual(path.read_text("utf-8"), "before")
        self.refuse("--db", "small.db", "--csv", "/dev/full", hint="No space left")
        self.refuse("--db", "small.db", "--csv", ".", hint="is a folder")
        self.refuse("--db", "small.db", "--html", "no/such/folder", hint="No such file")
        self.good("--db", "small.db", "--html", "kept.html")
        self.assertTrue(path.read_text("utf-8").startswith("<!DOCTYPE html>"))
        self.assertEqual(path.stat().st_mode & 0o777, 0o666 & ~self.mask())
        self.assertEqual([name for name in os.listdir(self.folder.name)
                          if name.startswith("kept.html.")], [])

    @staticmethod
    def mask():
        """What new files may not be."""
        mask = os.umask(0)
        os.umask(mask)
        return mask

    def test_wrong_words(self):
        """What cannot be meant."""
        self.refuse(hint="--db F")
        self.refuse("a.db", hint="--db a.db")
        self.refuse("--db", hint="needs a value")
        self.refuse("--db", "no.db", hint="No such file")
        self.refuse("--db", "a.db", "--xml", "x", hint="unknown option")
        self.refuse("--db", "a.db", "--confidence", "x", hint="from 50")
        self.refuse("--db", "a.db", "--confidence", "100", hint="from 50")
        self.refuse("--db", "a.db", "--interval", "wald", hint="wilson and exact")
        self.refuse("--db", "a.db", "--failures", "", hint="names of outcomes")
        self.assertIn("--html FILE", self.good("-help"))
        for words, hint in ((["campaign"], "report"), (["campaign", "x"], "report")):
            result = subprocess.run([PROGRAM, *words], timeout=LIMIT_S, check=False,
                                    stderr=subprocess.PIPE)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(result.stderr.count(b"\n"), 1)
            self.assertIn(hint, result.stderr.decode())


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
